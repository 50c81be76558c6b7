"""What is kept in SQLite, written from a thread of its own so that the loop never waits for a disk.

An operation's row is written before anyone hears of it, its events every FLUSH_INTERVAL_S, its
outcome and its turn in the conversation before anyone hears of its end. A store that cannot be
written (disk full) costs the history, never the answer: the operation says so in a notice and goes
on.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import ParamSpec, TypeVar

import msgspec

from wiz_kernel_ext.errors import (
    BadRequest,
    OperationInterrupted,
    OperationNotFound,
    SessionNotFound,
    StoreError,
)
from wiz_kernel_ext.protocol.codec import decode, encode, raw
from wiz_kernel_ext.protocol.events import End, Notice, Progress
from wiz_kernel_ext.protocol.results import (
    OperationInfo,
    OperationState,
    SessionMessage,
)
from wiz_kernel_ext.service.encoded_log import EncodedEvent, EncodedLog
from wiz_kernel_ext.service.kept_log import answer_of, pack, unpack
from wiz_kernel_ext.service.operations import Operation, shorten
from wiz_kernel_ext.store import Database, OperationRow, OperationStore, SessionStore

P = ParamSpec("P")
T = TypeVar("T")

FLUSH_INTERVAL_S = 0.1
N_OPERATIONS_KEPT = 2000
PRUNE_EVERY = 100

log = logging.getLogger(__name__)


class Records:
    """The store behind an executor of one thread, and the journal of running operations."""

    def __init__(self, file: Path, *, n_kept: int = N_OPERATIONS_KEPT) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="wiz-store")
        self._file = file
        self._n_kept = n_kept
        self._n_created = 0
        self._open: set[Operation] = set()
        self._warned: set[str] = set()

    async def start(self) -> list[OperationRow]:
        """Open the database; returns the operations that an earlier service left unfinished.

        They are closed here: interrupted, with the text that was kept, which their conversations
        get as well.
        """

        def begin() -> list[OperationRow]:
            self._database = Database.open(self._file)
            self.sessions = SessionStore(self._database)
            self.operations = OperationStore(self._database)
            self.operations.prune(self._n_kept)
            rows = [self._close_log(id) for id in self.operations.unfinished()]
            return [row for row in rows if row is not None]

        unfinished = await self._call(begin)
        self._flusher = asyncio.create_task(self._flush_forever())
        return unfinished

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a store method on the store's thread; raises StoreError."""
        return await self._call(lambda: function(*args, **kwargs))

    async def created(self, operation: Operation) -> None:
        """Keep a new operation before anyone hears of it."""
        try:
            await self.call(
                self.operations.create,
                operation.id,
                operation.kind,
                operation.title,
                operation.session_id,
                operation.model_path,
                operation.created_at,
            )
        except StoreError as error:
            self._warn(operation, error)
            self._warned.discard(operation.id)
            return
        self._open.add(operation)
        self._n_created += 1
        if self._n_created % PRUNE_EVERY == 0:
            with suppress(StoreError):
                await self.call(self.operations.prune, self._n_kept)

    async def ended(self, operation: Operation, end: End) -> None:
        """Keep an operation's log, its `end` and its turn in its conversation, all or none.

        One that was not kept from its beginning leaves its turn only.
        """
        is_kept = operation in self._open
        self._open.discard(operation)
        self._warned.discard(operation.id)
        entries = list(operation.events)
        entries.append(EncodedEvent.of(operation.events.next_seq, raw(end)))

        def write() -> None:
            text, log = pack(entries)
            with self._database.transaction():
                if is_kept:
                    self._finish(operation.id, end.state, text, log, entries)
                if operation.session_id and operation.asked:
                    self._add_turn(operation.session_id, operation.asked, text, end)

        try:
            await self._call(write)
        except StoreError as error:
            log.warning("operation %s was not recorded: %s", operation.id, error)
            if operation.asked and operation.n_tokens:
                operation.emit(Notice(text=f"This turn cannot be kept: {error}"))

    async def restore(self, operation_id: str) -> Operation:
        """An ended operation as it was kept, with its log; raises OperationNotFound."""
        row = await self.call(self.operations.get, operation_id)
        if row is None:
            raise OperationNotFound(f"There is no operation {operation_id!r}.", field="operationId")
        events = unpack(row.text, row.log) if row.log is not None else []
        return Operation.restored(operation_info(row), events)

    async def close(self) -> None:
        """Write what is left and close the database."""
        self._flusher.cancel()
        for operation in list(self._open):
            await self._try_to_flush(operation)
        await self._call(self._database.close)
        self._thread.shutdown()

    async def _flush_forever(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_INTERVAL_S)
            for operation in list(self._open):
                if operation in self._open:  # it may end while another is written
                    await self._try_to_flush(operation)

    async def _try_to_flush(self, operation: Operation) -> None:
        try:
            await self._flush(operation)
        except StoreError as error:
            self._warn(operation, error)

    async def _flush(self, operation: Operation) -> None:
        new = operation.events.since(operation.recorded_seq)
        if new and isinstance(new[-1].head, Progress):
            del new[-1]  # the next one is to take its place
        if new:
            events = encode([(event.seq, event.data) for event in new])
            await self.call(self.operations.append_events, operation.id, new[0].seq, events)
            operation.recorded_seq = new[-1].seq + 1

    def _close_log(self, operation_id: str) -> OperationRow | None:
        """Give the log of an operation that was cut off the end it never had."""
        row = self.operations.get(operation_id)
        assert row is not None
        entries = self._kept_events(operation_id)
        text, _ = pack(entries)
        error = OperationInterrupted(
            "The service ended while this was running.", operation_id=operation_id, text=text
        ).info()
        end = End(state="interrupted", error=error)
        entries.append(EncodedEvent.of(EncodedLog(entries).next_seq, raw(end)))
        text, log = pack(entries)
        with self._database.transaction():
            self._finish(operation_id, end.state, text, log, entries)
            # A turn that is there already is of a version that kept it before the end.
            if row.session_id and not self.sessions.has_turn(row.session_id, operation_id):
                asked = SessionMessage(role="user", content=row.title, operation_id=operation_id)
                self._add_turn(row.session_id, asked, text, end)
        return self.operations.get(operation_id)

    def _kept_events(self, operation_id: str) -> list[EncodedEvent]:
        """What was kept of a log while it ran, up to what cannot be read."""
        entries: list[EncodedEvent] = []
        try:
            for events in self.operations.events(operation_id):
                for seq, data in decode(events, list[tuple[int, msgspec.Raw]]):
                    entries.append(EncodedEvent.of(seq, data))
        except BadRequest as error:
            log.warning("operation %s: its log is damaged: %s", operation_id, error)
        return entries

    def _finish(
        self,
        operation_id: str,
        state: OperationState,
        text: str,
        packed: bytes,
        entries: list[EncodedEvent],
    ) -> None:
        n_events = entries[-1].seq + 1
        self.operations.finish(operation_id, state, text, packed, n_events, time.time())

    def _add_turn(self, session_id: str, asked: SessionMessage, text: str, end: End) -> None:
        """Add the turn to the conversation; one without any answer leaves no trace there."""
        if text:
            answered = SessionMessage(
                role="assistant",
                content=text,
                operation_id=asked.operation_id,
                finish_reason=_finish_reason(end),
            )
            with suppress(SessionNotFound):  # deleted meanwhile
                self.sessions.add_messages(session_id, [asked, answered])

    def _warn(self, operation: Operation, error: StoreError) -> None:
        if operation.id not in self._warned:
            self._warned.add(operation.id)
            log.warning("operation %s is not recorded: %s", operation.id, error)
            operation.emit(Notice(text=f"This answer cannot be kept: {error}"))

    async def _call(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)


def _finish_reason(end: End) -> str | None:
    """Why an answer is only partial; None where it is whole."""
    answer = answer_of(end)
    if answer is None:
        return "interrupted"
    return None if answer.finish_reason == "stop" else answer.finish_reason


def operation_info(row: OperationRow) -> OperationInfo:
    """A kept operation as its asker sees it."""
    return OperationInfo(
        id=row.id,
        kind=row.kind,
        state=row.state,
        title=shorten(row.title),
        session=row.session,
        model_path=row.model_path,
        n_events=row.n_events,
        created_at=row.created_at,
        ended_at=row.ended_at,
        text=row.text,
    )
