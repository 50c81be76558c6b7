"""Operations as their askers hold them: `AsyncOperation`, and `Operation` for everybody else.

Both are views of one feed; any number of them, and any number of iterations, see every event.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any

from wiz_kernel_ext.client.connection import Connection, no_answer
from wiz_kernel_ext.client.feed import Feed
from wiz_kernel_ext.client.io_thread import IO
from wiz_kernel_ext.errors import WizError, error_from_info
from wiz_kernel_ext.protocol.answer import Answer
from wiz_kernel_ext.protocol.codec import decode
from wiz_kernel_ext.protocol.events import AnyEvent, Delta, End, Progress
from wiz_kernel_ext.protocol.requests import Cancel, result_type
from wiz_kernel_ext.protocol.results import AnswerInfo, OperationState
from wiz_kernel_ext.protocol.targets import TARGETS

CANCEL_TIMEOUT_S = 5.0
# What an operation of each kind ends with; a str is a path.
OUTCOMES = {request.operation: result_type(request) for request in TARGETS.values()}


class _View:
    """What both faces share."""

    def __init__(self, connection: Connection, feed: Feed) -> None:
        self._connection = connection
        self._feed = feed
        self.answer_type: Any = None
        """What an answer's value is to be of; None: as JSON has it."""

    @property
    def id(self) -> str:
        """The operation's id: another client, or a later kernel, attaches to it."""
        return self._feed.id

    @property
    def state(self) -> OperationState:
        """queued, running, done, failed, cancelled or interrupted."""
        return self._feed.state

    @property
    def text(self) -> str:
        """The text so far."""
        return self._feed.text

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.state}>"

    def _outcome(self) -> Any:
        end = self._feed.end
        if end is None:
            raise self._feed.error or WizError("The operation has not ended.")
        if end.error is not None:
            raise error_from_info(end.error)
        outcome = decode(end.result, OUTCOMES[self._feed.kind])
        is_answer = isinstance(outcome, AnswerInfo)
        return Answer(outcome, self.answer_type) if is_answer else outcome

    async def _cancel(self) -> None:
        await self._connection.ask(Cancel(operation_id=self.id))


class AsyncOperation(_View):
    """An operation for a coroutine: `async for delta in op`, `await op.result()`."""

    async def __aiter__(self) -> AsyncIterator[Delta]:
        """Every piece of text from the first, however late one asks."""
        async for event in self.events():
            if isinstance(event, Delta):
                yield event

    async def events(self) -> AsyncIterator[AnyEvent]:
        """Every event from the first, to the end; of a stage's progress the latest."""
        seq = 0
        while new := await self._feed.next(seq):
            seq = new[-1].seq + 1
            for numbered in new:
                yield numbered.event
                if isinstance(numbered.event, End):
                    return

    async def result(self) -> Any:
        """The Answer, ModelInfo or path; raises what the operation failed with.

        A cancelled prompt's result is its partial Answer, where there was one.
        """
        async for _ in self.events():
            pass
        return self._outcome()

    async def cancel(self) -> None:
        """Ask it to end; its end still comes."""
        await IO.run(self._cancel())


class Operation(_View):
    """An operation for any thread: `for delta in op`, `op.result()`.

    An interrupt while waiting passes through at once and loses nothing; the operation goes on until
    `cancel`.
    """

    def __iter__(self) -> Iterator[Delta]:
        """Every piece of text from the first, however late one asks."""
        return (event for event in self.events() if isinstance(event, Delta))

    def events(self) -> Iterator[AnyEvent]:
        """Every event from the first, to the end; of a stage's progress the latest."""
        for events in self.batches(interval_s=0.0):
            yield from events

    def batches(self, interval_s: float = 0.05) -> Iterator[list[AnyEvent]]:
        """New events in lists, for a screen: what can be drawn at most once per `interval_s`.

        The first text and the end are not waited with.
        """
        seq = 0
        drawn = 0.0
        while new := self._feed.wait(seq):
            if any(isinstance(numbered.event, Delta | Progress) for numbered in new):
                pause = drawn + interval_s - time.monotonic()
                if pause > 0:
                    self._feed.wait_ended(pause)
                    new = self._feed.wait(seq)
                drawn = time.monotonic()
            seq = new[-1].seq + 1
            events = [numbered.event for numbered in new]
            yield events
            if isinstance(events[-1], End):
                return

    def result(self, timeout_s: float | None = None) -> Any:
        """The Answer, ModelInfo or path; raises what the operation failed with.

        A cancelled prompt's result is its partial Answer, where there was one. Raises TimeoutError.
        """
        if not self._feed.wait_ended(timeout_s):
            raise TimeoutError(f"Operation {self.id} has not ended after {timeout_s} s.")
        return self._outcome()

    def cancel(self, timeout_s: float = CANCEL_TIMEOUT_S) -> None:
        """Ask it to end; its end still comes.

        Raises ServiceError where the service has not answered after `timeout_s`; it is asked all
        the same.
        """
        try:
            IO.submit(self._cancel()).result(timeout_s)
        except FutureTimeoutError:
            raise no_answer() from None
