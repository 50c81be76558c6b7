"""What is kept in SQLite, written from a thread of its own so that the loop never waits for a disk.

An operation's row is written before anyone hears of it, its events every FLUSH_INTERVAL_S, its
outcome and its turn in the conversation before anyone hears of its end. What cannot be written
(disk full, locked) costs nobody the answer: it is held in memory, is a part of the conversation all
the same, and is written when it can be; the operation says so in a notice.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
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
from wiz_kernel_ext.protocol.events import AnyEvent, End, Notice, Progress
from wiz_kernel_ext.protocol.results import OperationInfo, SessionMessage
from wiz_kernel_ext.service.encoded_log import EncodedEvent, EncodedLog
from wiz_kernel_ext.service.kept_log import pack, thinking_of, unpack
from wiz_kernel_ext.service.operations import Operation, shorten
from wiz_kernel_ext.service.outcomes import Outcome, Waiting, turn_of
from wiz_kernel_ext.service.store_thread import StoreThread
from wiz_kernel_ext.service.untold import Untold, said_recovered
from wiz_kernel_ext.store import Database, OperationRow, OperationStore, SessionStore

P = ParamSpec("P")
T = TypeVar("T")

FLUSH_INTERVAL_S = 0.25
# What could not be written is tried again this often; somebody who waits is not kept for it twice.
RETRY_INTERVAL_S = 1.0
N_OPERATIONS_KEPT = 2000
PRUNE_EVERY = 100

log = logging.getLogger(__name__)


class Records:
    """The store behind a thread, the journal of running operations, and what waits for room."""

    def __init__(
        self,
        file: Path,
        *,
        n_kept: int = N_OPERATIONS_KEPT,
        flush_interval_s: float = FLUSH_INTERVAL_S,
    ) -> None:
        self._thread = StoreThread()
        self._file = file
        self._n_kept = n_kept
        self._flush_interval_s = flush_interval_s
        self._n_created = 0
        # Of each that runs, whether its row is in the store.
        self._open: dict[Operation, bool] = {}
        self._warned: set[str] = set()
        self._waiting = Waiting()
        self._writing = asyncio.Lock()
        self._retry_at_s = 0.0
        self.untold = Untold(file.with_suffix(".notice"))
        self._closed = False

    async def start(self) -> list[OperationRow]:
        """Open the database; returns the operations that an earlier service left unfinished.

        They are closed here: interrupted, with the text that was kept, which their conversations
        get as well.
        """

        def begin() -> list[OperationRow]:
            self._database = Database.open(self._file)
            if recovered := self._database.recovered:
                self.untold.add(said_recovered(recovered))
            self.sessions = SessionStore(self._database)
            self.operations = OperationStore(self._database)
            with suppress(StoreError):  # history that is too long keeps nobody from starting
                self.operations.prune(self._n_kept)
            rows = [self._close_log(id) for id in self.operations.unfinished()]
            return [row for row in rows if row is not None]

        unfinished = await self._thread.run(begin)
        self._begin_flushing()
        return unfinished

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a store method on the store's thread; raises StoreError."""
        return await self._thread.run(lambda: function(*args, **kwargs))

    async def created(self, operation: Operation) -> None:
        """Keep a new operation before anyone hears of it."""
        if text := self.untold.take():
            operation.emit(Notice(text=text))
        try:
            await self._create(operation)
        except StoreError as error:
            self._open[operation] = False
            self._warn(operation, error)
            return
        self._n_created += 1
        if self._n_created % PRUNE_EVERY == 0:
            with suppress(StoreError):
                await self.call(self.operations.prune, self._n_kept)

    async def ended(self, operation: Operation, end: End) -> None:
        """Keep an operation's log, its `end` and its turn in its conversation, all or none.

        What cannot be written now is held, and written before all that comes after it.
        """
        outcome = Outcome(operation, end, self._open.pop(operation, False))
        async with self._writing:
            try:
                if self._waiting and time.monotonic() < self._retry_at_s:
                    raise StoreError("What ended before it is not written yet.")
                await self._write_waiting()
                await self._thread.run(lambda: self._write(outcome))
            except StoreError as error:
                self._hold(outcome, error)
        self._warned.discard(operation.id)

    async def messages(self, session_id: str) -> list[SessionMessage]:
        """A conversation, oldest first, with the turns that wait to be written."""
        if not self._waiting:
            return await self.call(self.sessions.messages, session_id)
        async with self._writing:  # none of them is to be written between the two
            kept = await self.call(self.sessions.messages, session_id)
            return kept + self._waiting.turns(session_id)

    async def write_waiting(self) -> None:
        """Write what waits; raises StoreError where that still cannot be."""
        async with self._writing:
            await self._write_waiting()

    async def put_back(self) -> bool:
        """Write the database again, where its file was removed; whether that was so.

        Raises StoreError where it cannot be.
        """
        if self._database.in_place:
            return False
        await self._thread.run(self._database.put_back)
        return True

    def waiting(self) -> list[Operation]:
        """The ended operations whose outcome is not written yet, oldest first."""
        return self._waiting.operations()

    async def restore(self, operation_id: str) -> Operation:
        """An ended operation as it was kept, with its log; raises OperationNotFound."""
        for operation in self._waiting.operations():
            if operation.id == operation_id:
                return operation
        row = await self.call(self.operations.get, operation_id)
        if row is None:
            raise OperationNotFound(f"There is no operation {operation_id!r}.", field="operationId")
        events = unpack(row.text, row.log) if row.log is not None else []
        return Operation.restored(operation_info(row), events)

    async def close(self) -> None:
        """Write what is left and close the database."""
        self._closed = True
        self._flusher.cancel()
        await asyncio.gather(self._flusher, return_exceptions=True)
        for operation in list(self._open):
            await self._try_to_flush(operation)
        try:
            await self.write_waiting()
        except StoreError as error:
            lost = ", ".join(operation.id for operation in self.waiting())
            log.error("How these ended is lost, as it could not be written: %s: %s", lost, error)
        await self._thread.run(self._database.close)
        self._thread.close()

    def _begin_flushing(self) -> None:
        self._flusher = asyncio.create_task(self._flush_forever())
        self._flusher.add_done_callback(self._flushing_ended)

    def _flushing_ended(self, task: asyncio.Task[None]) -> None:
        if self._closed or task.cancelled():
            return
        log.error("The task that writes records died: another begins.", exc_info=task.exception())
        self._begin_flushing()

    async def _flush_forever(self) -> None:
        while True:
            await asyncio.sleep(self._flush_interval_s)
            if self._waiting and time.monotonic() >= self._retry_at_s:
                with suppress(StoreError):
                    await self.write_waiting()
            for operation in list(self._open):
                if operation in self._open:  # it may end while another is written
                    await self._try_to_flush(operation)

    async def _try_to_flush(self, operation: Operation) -> None:
        try:
            await self._flush(operation)
        except StoreError as error:
            self._warn(operation, error)

    async def _flush(self, operation: Operation) -> None:
        if not self._open.get(operation, True):
            await self._create(operation)
        new = operation.events.since(operation.recorded_seq)
        if new and isinstance(new[-1].head, Progress):
            del new[-1]  # the next one is to take its place
        if new:
            events = encode([(event.seq, event.data) for event in new])
            await self.call(self.operations.append_events, operation.id, new[0].seq, events)
            operation.recorded_seq = new[-1].seq + 1

    async def _create(self, operation: Operation) -> None:
        await self._thread.run(lambda: self._insert(operation))
        if not operation.ended:
            self._open[operation] = True

    def _insert(self, operation: Operation) -> None:
        self.operations.create(
            operation.id,
            operation.kind,
            operation.title,
            operation.session_id,
            operation.model_path,
            operation.created_at,
        )

    async def _write_waiting(self) -> None:
        """Write what waits, in order; raises StoreError at the first that cannot be written."""
        while self._waiting:
            outcome = self._waiting.first
            try:
                await self._thread.run(partial(self._write, outcome, again=True))
            except StoreError as error:
                if not error.details.get("lasting"):
                    self._retry_at_s = time.monotonic() + RETRY_INTERVAL_S
                    raise
                log.error("operation %s is not recorded: %s", outcome.operation.id, error)
            self._waiting.drop_first()

    def _write(self, outcome: Outcome, *, again: bool = False) -> None:
        """On the thread. `again`: an attempt that failed may have been written all the same."""
        operation = outcome.operation
        entries = outcome.entries()
        text, log = pack(entries)
        with self._database.transaction():
            if not outcome.is_kept:
                self._insert(operation)
            ended_at = operation.ended_at or time.time()
            self.operations.finish(
                operation.id, outcome.end.state, text, log, entries[-1].seq + 1, ended_at
            )
            if operation.session_id and operation.asked:
                if again and self.sessions.has_turn(operation.session_id, operation.id):
                    return
                thinking = thinking_of(entries)
                self._add_turn(operation.session_id, operation.asked, text, outcome.end, thinking)

    def _hold(self, outcome: Outcome, error: StoreError) -> None:
        operation = outcome.operation
        log.warning("operation %s is not recorded: %s", operation.id, error)
        # Said first, so that it is in the log that is kept.
        if not error.details.get("lasting"):
            self._warn(operation, error)
            if self._waiting.add(outcome):
                return
        if operation.asked and operation.n_tokens:
            operation.emit(Notice(text=f"This turn cannot be kept: {error}"))

    def _close_log(self, operation_id: str) -> OperationRow | None:
        """Give the log of an operation that was cut off the end it never had.

        None where that cannot be: what is damaged keeps nobody from starting.
        """
        try:
            return self._interrupt(operation_id)
        except Exception:
            log.exception("operation %s, which was cut off, cannot be closed", operation_id)
            return None

    def _interrupt(self, operation_id: str) -> OperationRow | None:
        row = self.operations.get(operation_id)
        if row is None:  # damaged
            return None
        entries = self._kept_events(operation_id)
        text, _ = pack(entries)
        error = OperationInterrupted(
            "The service ended while this was running.", operation_id=operation_id, text=text
        ).info()
        end = End(state="interrupted", error=error)
        entries.append(EncodedEvent.of(EncodedLog(entries).next_seq, raw(end)))
        text, log = pack(entries)
        with self._database.transaction():
            n_events = entries[-1].seq + 1
            self.operations.finish(operation_id, end.state, text, log, n_events, time.time())
            # A turn that is there already is of a version that kept it before the end.
            if row.session_id and not self.sessions.has_turn(row.session_id, operation_id):
                asked = SessionMessage(role="user", content=row.title, operation_id=operation_id)
                self._add_turn(row.session_id, asked, text, end, thinking_of(entries))
        return self.operations.get(operation_id)

    def _kept_events(self, operation_id: str) -> list[EncodedEvent]:
        """What was kept of a log while it ran, but for what cannot be read."""
        entries: list[EncodedEvent] = []
        n_damaged = 0
        for events in self.operations.events(operation_id):
            read = _read_events(events)
            n_damaged += read is None
            entries += [event for event in read or [] if event.seq >= EncodedLog(entries).next_seq]
        if n_damaged:
            log.warning("operation %s: its log is damaged", operation_id)
            said = raw(Notice(text="A part of this was damaged on the disk, and is missing."))
            entries.append(EncodedEvent.of(EncodedLog(entries).next_seq, said))
        return entries

    def _add_turn(
        self, session_id: str, asked: SessionMessage, text: str, end: End, thinking: str
    ) -> None:
        if turn := turn_of(asked, text, end, thinking):
            with suppress(SessionNotFound):  # deleted meanwhile
                self.sessions.add_messages(session_id, turn)

    def _warn(self, operation: Operation, error: StoreError) -> None:
        if operation.id not in self._warned:
            self._warned.add(operation.id)
            log.warning("operation %s is not recorded: %s", operation.id, error)
            operation.emit(Notice(text=f"This is kept in memory until it can be written: {error}"))


def _read_events(events: bytes) -> list[EncodedEvent] | None:
    """What was written at once; None where it is damaged."""
    try:
        numbered = decode(events, list[tuple[int, msgspec.Raw]])
        for _, data in numbered:
            decode(data, AnyEvent)  # type: ignore[arg-type]
        return [EncodedEvent.of(seq, data) for seq, data in numbered]
    except BadRequest:
        return None


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
