"""What is kept in SQLite, written from a thread of its own so that the loop never waits for a disk.

An operation's row is written before anyone hears of it, its events every FLUSH_INTERVAL_S, its
outcome at its end. A store that cannot be written (disk full) costs the history, never the answer:
the operation says so in a notice and goes on.
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

from wiz_kernel_ext.errors import OperationInterrupted, OperationNotFound, StoreError
from wiz_kernel_ext.protocol.codec import decode, encode
from wiz_kernel_ext.protocol.event_log import EventLog
from wiz_kernel_ext.protocol.events import AnyEvent, Delta, End, Notice, Numbered, Progress
from wiz_kernel_ext.protocol.results import OperationInfo
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

        They are closed here: interrupted, with the text that was kept.
        """

        def begin() -> list[str]:
            self._database = Database.open(self._file)
            self.sessions = SessionStore(self._database)
            self.operations = OperationStore(self._database)
            self.operations.prune(self._n_kept)
            return self.operations.mark_interrupted(time.time())

        unfinished = await self._call(begin)
        for operation_id in unfinished:
            await self._close_log(operation_id)
        self._flusher = asyncio.create_task(self._flush_forever())
        rows = [await self.call(self.operations.get, i) for i in unfinished]
        return [row for row in rows if row is not None]

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

    async def ended(self, operation: Operation) -> None:
        """Keep the rest of an operation's log and its outcome, if it was kept at all."""
        if operation not in self._open:
            return
        self._open.discard(operation)
        try:
            await self._flush(operation)
            end = operation.end
            await self.call(
                self.operations.finish,
                operation.id,
                operation.state,
                bytes(end.result) if end.error is None else None,
                encode(end.error) if end.error is not None else None,
                operation.text,
                operation.ended_at or time.time(),
            )
        except StoreError as error:
            log.warning("operation %s was not recorded: %s", operation.id, error)
        self._warned.discard(operation.id)

    async def restore(self, operation_id: str) -> Operation:
        """An ended operation as it was kept, with its log; raises OperationNotFound."""
        row = await self.call(self.operations.get, operation_id)
        if row is None:
            raise OperationNotFound(f"There is no operation {operation_id!r}.", field="operationId")
        return Operation.restored(operation_info(row), await self._events(operation_id))

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
                await self._try_to_flush(operation)

    async def _try_to_flush(self, operation: Operation) -> None:
        try:
            await self._flush(operation)
        except StoreError as error:
            self._warn(operation, error)

    async def _flush(self, operation: Operation) -> None:
        new = operation.events.since(operation.recorded_seq)
        if new and isinstance(new[-1].event, Progress):
            del new[-1]  # the next one is to take its place
        if new:
            rows = [(n.seq, encode(n.event)) for n in new]
            await self.call(self.operations.append_events, operation.id, rows)
            operation.recorded_seq = new[-1].seq + 1

    async def _close_log(self, operation_id: str) -> None:
        """Give the log of an operation that was cut off the end it never had."""
        events = await self._events(operation_id)
        text = "".join(n.event.text for n in events if isinstance(n.event, Delta))
        error = OperationInterrupted(
            "The service ended while this was running.", operation_id=operation_id, text=text
        ).info()
        end = encode(End(state="interrupted", error=error))
        seq = EventLog(events).next_seq
        await self.call(self.operations.append_events, operation_id, [(seq, end)])
        await self.call(
            self.operations.finish,
            operation_id,
            "interrupted",
            None,
            encode(error),
            text,
            time.time(),
        )

    async def _events(self, operation_id: str) -> list[Numbered]:
        rows = await self.call(self.operations.events, operation_id, 0)
        return [Numbered(seq, decode(blob, AnyEvent)) for seq, blob in rows]  # type: ignore[arg-type]

    def _warn(self, operation: Operation, error: StoreError) -> None:
        if operation.id not in self._warned:
            self._warned.add(operation.id)
            log.warning("operation %s is not recorded: %s", operation.id, error)
            operation.emit(Notice(text=f"This answer cannot be kept: {error}"))

    async def _call(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)


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
