"""Events as the service has them: encoded, as they came from a worker or once when they were made.

So they are passed on and kept. Of a piece of text only how many tokens it is made of is read; its
text is what its reader decodes.
"""

from __future__ import annotations

import msgspec

from wiz_kernel_ext.protocol.codec import decode
from wiz_kernel_ext.protocol.event_log import NumberedLog, replaces
from wiz_kernel_ext.protocol.events import AnyEvent, End, Event, Notice, Progress, StateChanged


class DeltaHead(Event, frozen=True, kw_only=True, tag="delta"):
    """A `Delta` but for its text, which is passed over."""

    n_tokens: int = 1


class ThinkingHead(Event, frozen=True, kw_only=True, tag="thinking"):
    """A `Thinking` but for its text, which is passed over."""

    n_tokens: int = 1


Head = DeltaHead | ThinkingHead | Progress | StateChanged | Notice | End


class EncodedEvent(msgspec.Struct, frozen=True):
    """An event with its place in its operation's log; `data` is all of it, `head` what is read."""

    seq: int
    head: Head
    data: msgspec.Raw

    @classmethod
    def of(cls, seq: int, data: msgspec.Raw) -> EncodedEvent:
        """The event that `data` is; raises BadRequest where it is none."""
        return cls(seq, decode(data, Head), data)  # type: ignore[arg-type]

    @property
    def event(self) -> AnyEvent:
        """The event, decoded with its text."""
        return decode(self.data, AnyEvent)  # type: ignore[arg-type]


class EncodedLog(NumberedLog[EncodedEvent]):
    """The log of an operation in the service."""

    def append(self, data: msgspec.Raw) -> Head:
        """Add the event that `data` is, under the next number; returns its head."""
        entry = EncodedEvent.of(self.next_seq, data)
        replacing = bool(self._entries) and replaces(entry.head, self._entries[-1].head)
        self._add(entry, replacing=replacing)
        return entry.head
