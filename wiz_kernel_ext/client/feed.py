"""An operation's events as they arrive here: in order, each once, readable from any thread.

Filled on the I/O thread. When the service dies in the middle, the feed asks the one that takes its
place for the rest, from the number it has; so every log ends, and no event comes twice.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from contextlib import suppress

from msgspec.structs import replace

from wiz_kernel_ext.client.connection import Connection
from wiz_kernel_ext.errors import InternalError, ServiceDied, ServiceError, WizError
from wiz_kernel_ext.protocol.codec import decode
from wiz_kernel_ext.protocol.event_log import EventLog
from wiz_kernel_ext.protocol.events import Ack, Delta, End, EventBatch, Numbered, StateChanged
from wiz_kernel_ext.protocol.requests import AnyRequest, Attach
from wiz_kernel_ext.protocol.results import OperationKind, OperationState
from wiz_kernel_ext.transport.client import ClientComm

MAX_REATTACHES = 3


class Feed:
    """The event log of one operation, on this side of the wire."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._news = threading.Condition()
        self._listeners: set[Callable[[], None]] = set()
        self._begun = asyncio.Event()
        self._n_received = 0
        self._pid = os.getpid()
        self.events = EventLog()
        self._is_apart = False
        self.id = ""
        self.kind: OperationKind = "prompt"
        self.state: OperationState = "queued"
        self.end: End | None = None
        self.error: WizError | None = None

    async def begin(self, request: AnyRequest) -> None:
        """Send `request` and read on in the background; what is refused at once is raised here."""
        if isinstance(request, Attach):
            self._n_received = request.from_seq
        self._is_apart = request.is_apart
        comm = await self._connection.open(request)
        self._reader = asyncio.create_task(self._read(comm))
        await self._begun.wait()
        if self.error is not None and not self.id:
            raise self.error

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self.end is not None or self.error is not None

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(n.event.text for n in self.events if isinstance(n.event, Delta))

    def wait(self, seq: int) -> list[Numbered]:
        """Block until there are events from number `seq` on, or the end; returns them."""
        self._check_process()
        with self._news:
            self._news.wait_for(lambda: self.events.next_seq > seq or self.ended)
            return self.events.since(seq)

    def wait_ended(self, timeout_s: float | None = None) -> bool:
        """Block until the end; False if it did not come in time."""
        self._check_process()
        with self._news:
            return self._news.wait_for(lambda: self.ended, timeout_s)

    async def next(self, seq: int) -> list[Numbered]:
        """Like `wait`, for whichever event loop this is."""
        self._check_process()
        loop, news = asyncio.get_running_loop(), asyncio.Event()

        def tell() -> None:
            loop.call_soon_threadsafe(news.set)

        with self._news:
            if self.events.next_seq > seq or self.ended:
                return self.events.since(seq)
            self._listeners.add(tell)
        try:
            await news.wait()
        finally:
            with self._news:
                self._listeners.discard(tell)
        return self.events.since(seq)

    def _check_process(self) -> None:
        """A forked child has what came before the fork; nothing more will come to it."""
        if not self.ended and self._pid != os.getpid():
            raise ServiceError(
                f"Operation {self.id} is followed by the process that began it.",
                hint=f"In this one, follow it with client.attach({self.id!r}).",
            )

    async def _read(self, comm: ClientComm) -> None:
        try:
            for attempt in range(MAX_REATTACHES + 1):
                try:
                    await self._follow(comm)
                    break
                except ServiceError as error:
                    if not self.id or self.ended or attempt == MAX_REATTACHES:
                        raise
                    comm = await self._reattach(error)
            if not self.ended:
                raise InternalError("The service closed an operation without its end.")
        except WizError as error:
            self._fail(error)
        except Exception as error:
            self._fail(InternalError(f"Reading an operation failed: {error!r}"))

    async def _follow(self, comm: ClientComm) -> None:
        async for data in comm:
            batch = decode(data, EventBatch)
            if self._is_apart:
                batch = await _with_result(batch, comm)
            self._take(batch)
            await comm.send(Ack(seq=batch.events[-1].seq))
        if not self.ended:
            await comm.result()

    async def _reattach(self, error: ServiceError) -> ClientComm:
        self._is_apart = False  # a service that only has the log has no result apart from it
        try:
            await self._connection.gone()
            return await self._connection.open(
                Attach(operation_id=self.id, from_seq=self._n_received)
            )
        except WizError:
            raise error from None

    def _take(self, batch: EventBatch) -> None:
        with self._news:
            self.id, self.kind = batch.operation_id, batch.operation_kind
            for numbered in batch.events:
                event = numbered.event
                # A log that was cut short by a crash ends at a number that was here before.
                if numbered.seq < self._n_received and not isinstance(event, End):
                    continue
                self._n_received = numbered.seq + 1
                self.events.append(event, numbered.seq)
                if isinstance(event, StateChanged | End):
                    self.state = event.state
                if isinstance(event, End):
                    self.end = event
        self._tell()

    def _fail(self, error: WizError) -> None:
        with self._news:
            if self.end is None:
                self.error = error
                self.state = "interrupted" if isinstance(error, ServiceDied) else "failed"
        self._tell()

    def _tell(self) -> None:
        self._begun.set()
        with self._news:
            self._news.notify_all()
            listeners = list(self._listeners)
        for listener in listeners:
            with suppress(RuntimeError):  # its event loop is closed
                listener()


async def _with_result(batch: EventBatch, comm: ClientComm) -> EventBatch:
    """`batch`, whose end gets the result that is not in the log but ends the comm."""
    last = batch.events[-1]
    if not isinstance(last.event, End) or last.event.error is not None:
        return batch
    end = replace(last.event, result=await comm.result())
    return replace(batch, events=[*batch.events[:-1], Numbered(last.seq, end)])
