"""An operation's log, as the service keeps it and as an asker has it.

Numbers rise and may leave some out: of how far a stage is only the latest stays, as a download of a
day would be a log of a million lines. Pure; readers remember the number they have come to.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator

from wiz_kernel_ext.protocol.events import AnyEvent, Numbered, Progress


class EventLog:
    """Events in the order of their numbers."""

    def __init__(self, events: Iterable[Numbered] = ()) -> None:
        self._events = list(events)

    def __iter__(self) -> Iterator[Numbered]:
        # Of a copy: the log may grow on another thread.
        return iter(self._events.copy())

    @property
    def next_seq(self) -> int:
        """The number of the next event."""
        return self._events[-1].seq + 1 if self._events else 0

    def append(self, event: AnyEvent, seq: int = 0) -> None:
        """Add `event`, under the number `seq` where that one is still to come."""
        numbered = Numbered(max(seq, self.next_seq), event)
        if self._events and _replaces(event, self._events[-1].event):
            self._events[-1] = numbered
        else:
            self._events.append(numbered)

    def since(self, seq: int, at_most: int | None = None) -> list[Numbered]:
        """The events from number `seq` on, the first `at_most` of them."""
        first = bisect_left(self._events, seq, key=_seq)
        return self._events[first : None if at_most is None else first + at_most]


def _seq(numbered: Numbered) -> int:
    return numbered.seq


def _replaces(event: AnyEvent, last: AnyEvent) -> bool:
    is_progress = isinstance(event, Progress) and isinstance(last, Progress)
    return is_progress and event.stage == last.stage  # type: ignore[union-attr]
