"""Operations: whatever takes time, each an ordered, numbered event log that outlives its asker.

Knows nothing of sockets, models or SQLite: an operation runs a body (a coroutine), records what it
emits and how it ended, and lets any number of followers read the log from any number on. A
`recorder` given to the registry is told what to keep.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol, TypeVar

import msgspec

from wiz_kernel_ext.errors import (
    OperationCancelled,
    OperationInterrupted,
    WizError,
    not_permitted,
    unexpected,
)
from wiz_kernel_ext.protocol.codec import decode, raw
from wiz_kernel_ext.protocol.events import (
    AnyEvent,
    Delta,
    End,
    Notice,
    Progress,
    StateChanged,
    Thinking,
)
from wiz_kernel_ext.protocol.results import (
    TERMINAL_STATES,
    AnswerInfo,
    OperationInfo,
    OperationKind,
    OperationState,
    SessionMessage,
)
from wiz_kernel_ext.service.encoded_log import (
    DeltaHead,
    EncodedEvent,
    EncodedLog,
    ThinkingHead,
)

T = TypeVar("T")
Body = Callable[["Operation"], Awaitable[Any]]

BATCH_SIZE = 256
# A whole name of a model on a hub; askers with less room shorten it again.
TITLE_LENGTH = 300

log = logging.getLogger(__name__)
_numbers = itertools.count()


class Operation:
    """One operation; `emit` adds to its log, `follow` reads it, `cancel` asks it to end.

    `asked` is what its session has it answer: with the answer it makes a turn of the conversation.
    """

    def __init__(
        self,
        kind: OperationKind,
        *,
        title: str = "",
        client: str = "",
        session_id: str | None = None,
        session: str | None = None,
        model_path: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.id = f"op-{secrets.token_hex(5)}"
        self.number = next(_numbers)
        self.kind = kind
        self.title = title
        self.client = client
        self.session_id = session_id
        self.session = session
        self.model_path = model_path
        self.state: OperationState = "queued"
        self.asked: SessionMessage | None = None
        self.events = EncodedLog()
        self.recorded_seq = 0
        self.n_tokens = 0
        self.progress = Progress(stage="", done=0.0)
        self.created_at = clock()
        self.ended_at: float | None = None
        self._clock = clock
        self._cancel = asyncio.Event()
        self._stopped = False
        self._cancel_callbacks: list[Callable[[], None]] = []
        self._sealed = False
        self._end_callbacks: list[Callable[[], None]] = []
        self._news = asyncio.Event()
        self.emit(StateChanged(state="queued"))

    @classmethod
    def restored(cls, info: OperationInfo, events: list[EncodedEvent]) -> Operation:
        """An ended operation as it was kept."""
        self = cls(info.kind, title=info.title, session=info.session, model_path=info.model_path)
        self.id, self.state, self.events = info.id, info.state, EncodedLog(events)
        self.created_at, self.ended_at = info.created_at, info.ended_at
        steps = [n.head for n in events if isinstance(n.head, Progress)]
        self.progress = steps[-1] if steps else self.progress
        return self

    @property
    def ended(self) -> bool:
        """Whether the log has its `End`."""
        return self.state in TERMINAL_STATES

    @property
    def cancelling(self) -> bool:
        """Whether a cancel was asked for; the end may still have to come."""
        return self._cancel.is_set()

    @property
    def text(self) -> str:
        """The text so far, decoded for whoever asks."""
        deltas = [n.data for n in self.events if isinstance(n.head, DeltaHead)]
        return "".join(decode(data, Delta).text for data in deltas)

    @property
    def thinking(self) -> str:
        """What was thought so far, decoded for whoever asks."""
        pieces = [n.data for n in self.events if isinstance(n.head, ThinkingHead)]
        return "".join(decode(data, Thinking).text for data in pieces)

    def emit(self, event: AnyEvent) -> None:
        """Add `event` to the log and wake the followers; nothing is added after the end."""
        if not self._sealed or isinstance(event, Notice | End):
            self._add(raw(event))

    def pass_on(self, data: msgspec.Raw) -> None:
        """Add an event that came encoded, as it came; raises BadRequest where it is none."""
        if not self._sealed:
            self._add(data)

    def _add(self, data: msgspec.Raw) -> None:
        if self.ended:
            return
        head = self.events.append(data)
        if isinstance(head, StateChanged | End):
            self.state = head.state
        if isinstance(head, End):
            self.ended_at = self._clock()
        elif isinstance(head, DeltaHead | ThinkingHead):
            self.n_tokens += head.n_tokens
        elif isinstance(head, Progress):
            self.progress = head
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def follow(self, from_seq: int = 0) -> AsyncIterator[list[EncodedEvent]]:
        """The events from number `from_seq` on, in batches as they come, to the end.

        The end is always among them, also for a follower that is ahead of a log that was cut short.
        """
        seq = from_seq
        while True:
            news = self._news
            if batch := self.events.since(seq, BATCH_SIZE):
                seq = batch[-1].seq + 1
                yield batch
                if isinstance(batch[-1].head, End):
                    return
            elif self.ended:
                yield self.events.since(self.events.next_seq - 1)
                return
            else:
                await news.wait()

    def stop(self) -> None:
        """The service ends: so must this, though nobody cancelled it, and its end says so."""
        self._stopped = self._stopped or not self.cancelling
        self.cancel()

    def cancel(self) -> None:
        """Ask the operation to end; what there is by then is kept."""
        if not self._cancel.is_set():
            self._cancel.set()
            for callback in self._cancel_callbacks:
                callback()

    def on_cancel(self, callback: Callable[[], None]) -> None:
        """Call `callback` at a cancel; at once if there was one."""
        self._cancel_callbacks.append(callback)
        if self._cancel.is_set():
            callback()

    def seal(self) -> None:
        """How it ends is being recorded: nothing is added but that, and what went wrong with it."""
        self._sealed = True

    def on_end(self, callback: Callable[[], None]) -> None:
        """Call `callback` once the end is recorded and in the log."""
        self._end_callbacks.append(callback)

    def finish(self, end: End) -> None:
        """Add the end, and tell who waits for it."""
        self.emit(end)
        callbacks, self._end_callbacks = self._end_callbacks, []
        for callback in callbacks:
            callback()

    async def unless_cancelled(self, work: Awaitable[T]) -> T:
        """The result of `work`; a cancel ends it and raises OperationCancelled."""
        task = asyncio.ensure_future(work)
        watch = asyncio.ensure_future(self._cancel.wait())
        try:
            await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise OperationCancelled("Cancelled.", operation_id=self.id)
        finally:
            watch.cancel()
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    @property
    def was_stopped(self) -> bool:
        """Whether it ends because the service does."""
        return self._stopped

    def stopped(self) -> End:
        """The end of one that ends because the service does; what there is of it is kept."""
        text = self.text
        if self.state == "queued":
            message = "The service was stopped before its turn came."
        else:
            message = "The service was stopped while this was running."
        hint = None if text else "Run it again: a new service starts by itself."
        error = OperationInterrupted(message, hint=hint, operation_id=self.id, text=text)
        return End(state="interrupted", error=error.info())

    @property
    def end(self) -> End:
        """The last event of an ended operation."""
        last = self.events.since(self.events.next_seq - 1)[0].head
        assert isinstance(last, End)
        return last

    def info(self) -> OperationInfo:
        """What there is to say of it now, but for its text."""
        return OperationInfo(
            id=self.id,
            kind=self.kind,
            state=self.state,
            title=shorten(self.title),
            session=self.session,
            model_path=self.model_path,
            n_events=self.events.next_seq,
            created_at=self.created_at,
            ended_at=self.ended_at,
            n_tokens=self.n_tokens,
            stage=self.progress.stage,
            done=self.progress.done,
            total=self.progress.total,
        )


def shorten(title: str) -> str:
    """A title on one line, of at most TITLE_LENGTH characters."""
    line = " ".join(title.split())
    return line if len(line) <= TITLE_LENGTH else line[: TITLE_LENGTH - 1] + "…"


class Recorder(Protocol):
    """Who keeps operations beyond this process."""

    async def created(self, operation: Operation) -> None:
        """Keep a new operation before anyone hears of it."""

    async def ended(self, operation: Operation, end: End) -> None:
        """Keep the rest of its log, its `end` and its turn, before anyone hears of the end."""


class Operations:
    """The operations of this service: all running ones, and the latest ended ones."""

    def __init__(
        self,
        recorder: Recorder,
        *,
        n_kept: int = 64,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._recorder = recorder
        self._on_change = on_change
        self._n_kept = n_kept
        self._operations: OrderedDict[str, Operation] = OrderedDict()
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def start(self, operation: Operation, body: Body) -> None:
        """Record `operation`, then run `body` to its end in a task of its own.

        An asker who gives up meanwhile does not leave it half begun.
        """
        recorded = asyncio.ensure_future(self._recorder.created(operation))
        self._operations[operation.id] = operation
        self._tasks[operation.id] = asyncio.create_task(self._run(operation, recorded, body))
        self._on_change()
        await asyncio.shield(recorded)

    def get(self, operation_id: str) -> Operation | None:
        """A running or lately ended operation; older ones are only kept."""
        return self._operations.get(operation_id)

    def running(self) -> list[Operation]:
        """The operations that have not ended."""
        return [op for op in self._operations.values() if not op.ended]

    async def settle(self, timeout_s: float) -> None:
        """Stop every operation and wait until they have ended and are recorded."""
        for operation in self.running():
            operation.stop()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks.values(), timeout=timeout_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _run(self, operation: Operation, recorded: Awaitable[None], body: Body) -> None:
        end = await self._end_of(operation, recorded, body)
        operation.seal()
        try:
            await self._recorder.ended(operation, end)
        finally:
            operation.finish(end)
            del self._tasks[operation.id]
            self._forget_old()
            self._on_change()

    async def _end_of(self, operation: Operation, recorded: Awaitable[None], body: Body) -> End:
        try:
            await recorded
            result = await body(operation)
        except OperationCancelled as error:
            cancelled = End(state="cancelled", error=error.info())
            return operation.stopped() if operation.was_stopped else cancelled
        except WizError as error:
            return End(state="failed", error=error.info())
        except asyncio.CancelledError:
            return operation.stopped()
        except Exception as error:
            if isinstance(error, OSError) and (refused := not_permitted(error)):
                return End(state="failed", error=refused.info())
            log.exception("operation %s failed", operation.id)
            what = f"The service failed: {type(error).__name__}: {error}"
            return End(state="failed", error=unexpected(error, what).info())
        if not isinstance(result, AnswerInfo) or result.finish_reason != "cancelled":
            return End(state="done", result=raw(result))
        if operation.was_stopped:
            return operation.stopped()
        return End(state="cancelled", result=raw(result))

    def _forget_old(self) -> None:
        ended = [op.id for op in self._operations.values() if op.ended]
        for operation_id in ended[: max(0, len(ended) - self._n_kept)]:
            del self._operations[operation_id]
