"""An operation of an in-process worker: the event log and the end, for whoever iterates.

The same face as the service's operations, without their numbers: nothing here outlives the process.
Everything runs on the asyncio thread, but events arrive from the engine's.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec

from wiz_kernel_ext.errors import OperationCancelled, WizError
from wiz_kernel_ext.protocol.answer import Answer
from wiz_kernel_ext.protocol.codec import raw
from wiz_kernel_ext.protocol.events import AnyEvent, Delta, End
from wiz_kernel_ext.protocol.results import AnswerInfo, OperationState
from wiz_kernel_ext.worker.call import Call


class LocalOperation:
    """A request under way; iterate it for its deltas, `await result()` for its end."""

    def __init__(self, handle: Callable[[Call], Awaitable[Any]]) -> None:
        self.id = secrets.token_hex(8)
        self.state: OperationState = "running"
        self.answer_type: Any = None
        self._events: list[AnyEvent] = []
        self._changed = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._call = Call(lambda event: loop.call_soon_threadsafe(self._add, event))
        self._task = asyncio.create_task(self._run(handle))
        # An error nobody waits for is in the log of events all the same.
        self._task.add_done_callback(lambda task: task.cancelled() or task.exception())

    def on_end(self, callback: Callable[[LocalOperation], object]) -> None:
        """Call `callback` with this operation once it has ended."""
        self._task.add_done_callback(lambda _: callback(self))

    async def _run(self, handle: Callable[[Call], Awaitable[Any]]) -> Any:
        try:
            result = await handle(self._call)
        except WizError as error:
            self.state = "cancelled" if isinstance(error, OperationCancelled) else "failed"
            self._add(End(state=self.state, error=error.info()))
            raise
        is_cancelled = isinstance(result, AnswerInfo) and result.finish_reason == "cancelled"
        if isinstance(result, AnswerInfo):
            result = msgspec.structs.replace(result, operation_id=self.id)
        self.state = "cancelled" if is_cancelled else "done"
        self._add(End(state=self.state, result=raw(result)))
        return result

    def _add(self, event: AnyEvent) -> None:
        self._events.append(event)
        self._changed.set()
        self._changed = asyncio.Event()

    async def events(self) -> AsyncIterator[AnyEvent]:
        """Every event from the first, however late; the last is an `End`."""
        seen = 0
        while True:
            changed = self._changed
            while seen < len(self._events):
                event = self._events[seen]
                seen += 1
                yield event
                if isinstance(event, End):
                    return
            if not changed.is_set():
                await changed.wait()

    async def __aiter__(self) -> AsyncIterator[Delta]:
        async for event in self.events():
            if isinstance(event, Delta):
                yield event

    async def result(self) -> Any:
        """`Answer` for a prompt, the request's own result otherwise; raises its typed error."""
        result = await asyncio.shield(self._task)
        return Answer(result, self.answer_type) if isinstance(result, AnswerInfo) else result

    def cancel(self) -> None:
        """Stop at the next step; a prompt ends with what it has."""
        self._call.cancel()
