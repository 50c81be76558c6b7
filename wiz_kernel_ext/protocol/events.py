"""What an operation says while it runs: an ordered log, numbered from 0.

The last event of every log is an `End`, with a result or an error, never neither.
"""

from __future__ import annotations

import msgspec

from wiz_kernel_ext.errors import ErrorInfo
from wiz_kernel_ext.protocol.results import OperationState


class Event(msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag_field="kind"):
    """Base of every event."""


class Delta(Event, frozen=True, kw_only=True, tag="delta"):
    """More of the answer's text, made of `n_tokens` tokens."""

    text: str
    n_tokens: int = 1


class Progress(Event, frozen=True, kw_only=True, tag="progress"):
    """How far a stage is: "load" in fractions, "prompt" in tokens, "download" in bytes.

    Without a `total` the end is not known.
    """

    stage: str
    done: float
    total: float | None = None


class StateChanged(Event, frozen=True, kw_only=True, tag="state"):
    """The operation passed into another state that is not its end."""

    state: OperationState


class Notice(Event, frozen=True, kw_only=True, tag="notice"):
    """Something its user should know, that changes nothing."""

    text: str


class End(Event, frozen=True, kw_only=True, tag="end"):
    """The end: `result` (encoded, as its request ends) or `error`, and the last state.

    A cancelled or interrupted prompt keeps its partial answer as the result, where it has one.
    """

    state: OperationState
    result: msgspec.Raw | None = None
    error: ErrorInfo | None = None


AnyEvent = Delta | Progress | StateChanged | Notice | End


class Numbered(msgspec.Struct, frozen=True, array_like=True):
    """An event with its place in its operation's log."""

    seq: int
    event: AnyEvent
