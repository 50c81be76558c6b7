"""An operation's log, as the service keeps it and as an asker has it.

Numbers rise and may leave some out: of how far a stage is only the latest stays, as a download of a
day would be a log of a million lines. Pure; readers remember the number they have come to.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Any, Generic, Protocol, TypeVar

from wiz_kernel_ext.protocol.events import AnyEvent, Numbered, Progress


class _Entry(Protocol):
    @property
    def seq(self) -> int: ...


E = TypeVar("E", bound=_Entry)


class NumberedLog(Generic[E]):
    """Entries in the order of their numbers; what an entry is, its two kinds know."""

    def __init__(self, entries: Iterable[E] = ()) -> None:
        self._entries = list(entries)

    def __iter__(self) -> Iterator[E]:
        # Of a copy: the log may grow on another thread.
        return iter(self._entries.copy())

    @property
    def next_seq(self) -> int:
        """The number of the next entry."""
        return self._entries[-1].seq + 1 if self._entries else 0

    def since(self, seq: int, at_most: int | None = None) -> list[E]:
        """The entries from number `seq` on, the first `at_most` of them."""
        first = bisect_left(self._entries, seq, key=_seq)
        return self._entries[first : None if at_most is None else first + at_most]

    def _add(self, entry: E, *, replacing: bool) -> None:
        if replacing:
            self._entries[-1] = entry
        else:
            self._entries.append(entry)


class EventLog(NumberedLog[Numbered]):
    """Events as they are read."""

    def append(self, event: AnyEvent, seq: int = 0) -> None:
        """Add `event`, under the number `seq` where that one is still to come."""
        replacing = bool(self._entries) and replaces(event, self._entries[-1].event)
        self._add(Numbered(max(seq, self.next_seq), event), replacing=replacing)


def replaces(event: Any, last: Any) -> bool:
    """Whether `event` takes the place of the one before it: further progress of a stage."""
    is_progress = isinstance(event, Progress) and isinstance(last, Progress)
    return is_progress and event.stage == last.stage


def _seq(entry: _Entry) -> int:
    return entry.seq
