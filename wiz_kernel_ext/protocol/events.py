"""What an operation says while it runs: an ordered log, numbered from 0 (`event_log`).

The last event of every log is an `End`, with a result or an error, never neither.
"""

from __future__ import annotations

import msgspec

from wiz_kernel_ext.errors import ErrorInfo
from wiz_kernel_ext.protocol.results import OperationKind, OperationState
from wiz_kernel_ext.remedies import worded

# Null, encoded: what stands for "none" in a field that stays encoded. The message library reads
# neither `Raw | None` nor an empty `Raw`.
NIL = msgspec.Raw(b"\xc0")
# The stage of a wait for another operation, before the first of its own or between two of them.
WAITING = "waiting"


class Event(msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag_field="kind"):
    """Base of every event."""


class Delta(Event, frozen=True, kw_only=True, tag="delta"):
    """More of the answer's text, made of `n_tokens` tokens."""

    text: str
    n_tokens: int = 1


class Thinking(Event, frozen=True, kw_only=True, tag="thinking"):
    """More of what the model thinks before it answers, made of `n_tokens` tokens."""

    text: str
    n_tokens: int = 1


class Progress(Event, frozen=True, kw_only=True, tag="progress"):
    """How far a stage is: "load" in fractions, "prompt" in tokens, "download" in bytes.

    "summary" (old turns summed up, where they do not fit) is in characters. Without a `total` the
    end is not known. `text` says in words what a number cannot: for what a WAITING one waits, and
    how to end that; commands in it as in a hint.
    """

    stage: str
    done: float
    total: float | None = None
    text: str = ""

    @property
    def words(self) -> str:
        """`text` in the words of the place where it is read."""
        return worded(self.text)


class StateChanged(Event, frozen=True, kw_only=True, tag="state"):
    """The operation passed into another state that is not its end."""

    state: OperationState


class Notice(Event, frozen=True, kw_only=True, tag="notice"):
    """Something its user should know, that changes nothing; commands in it as in a hint."""

    text: str

    @property
    def words(self) -> str:
        """`text` in the words of the place where it is read."""
        return worded(self.text)


class End(Event, frozen=True, kw_only=True, tag="end"):
    """The end: `result` (encoded, as its request ends; NIL if none) or `error`, and the last state.

    A cancelled or interrupted prompt keeps its partial answer as the result, where it has one.
    """

    state: OperationState
    result: msgspec.Raw = NIL
    error: ErrorInfo | None = None


AnyEvent = Delta | Thinking | Progress | StateChanged | Notice | End


class Numbered(msgspec.Struct, frozen=True, array_like=True):
    """An event with its place in its operation's log."""

    seq: int
    event: AnyEvent


class EventBatch(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the service sends on the comm of an operation: its next events, in order."""

    operation_id: str
    operation_kind: OperationKind
    events: list[Numbered]


class EncodedBatch(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An `EventBatch` of events that are encoded already: the same on the wire."""

    operation_id: str
    operation_kind: OperationKind
    events: list[tuple[int, msgspec.Raw]]


class Ack(msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag_field="kind", tag="ack"):
    """The asker has every event up to `seq`; more than a window unacknowledged are not sent."""

    seq: int


class CancelThis(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag_field="kind", tag="cancel"
):
    """The asker wants this comm's operation cancelled; its end still comes."""


AskerMessage = Ack | CancelThis
