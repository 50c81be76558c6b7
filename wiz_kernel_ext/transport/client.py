"""The asking side of comms: open one, read its messages, get its one end.

Knows frames, not what they are about. Lives in one event loop, which the client runs on a thread
of its own and the service on its main one. A lost link ends every comm with a typed error.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import uuid4

import msgspec

from wiz_kernel_ext.errors import (
    BadRequest,
    InternalError,
    OperationCancelled,
    ServiceDied,
    WizError,
    error_from_info,
)
from wiz_kernel_ext.protocol.codec import (
    Close,
    Message,
    Open,
    decode_frame,
    encode,
    message_frame,
    named_comm,
    raw_request,
)
from wiz_kernel_ext.protocol.events import NIL
from wiz_kernel_ext.transport.links import ClientLink, LinkLost

FRAMES_PER_TURN = 16

log = logging.getLogger(__name__)


def service_died() -> WizError:
    """What a lost link means to a client of the service."""
    return ServiceDied("The service ended while it was being asked.")


class ClientComm:
    """One comm, as its asker sees it: iterate over its messages, await its `result`."""

    def __init__(self, owner: CommClient, id: str) -> None:
        self.id = id
        self.closed = False
        self._owner = owner
        self._inbox: asyncio.Queue[msgspec.Raw | None] = asyncio.Queue()
        self._ended = asyncio.Event()
        self._result = NIL
        self._error: WizError | None = None

    async def send(self, data: Any) -> None:
        """Send one message to the handler; nothing once the comm is closed."""
        if not self.closed:
            await self._owner.transmit(message_frame(self.id, data))

    async def __aiter__(self) -> AsyncIterator[msgspec.Raw]:
        """Every message until the end, whatever the end is: `result` tells."""
        while (data := await self._inbox.get()) is not None:
            yield data
        self._inbox.put_nowait(None)

    async def result(self) -> msgspec.Raw:
        """The encoded result, once there is one; raises the WizError it ended with."""
        await self._ended.wait()
        if self._error is not None:
            raise self._error
        return self._result

    async def close(self) -> None:
        """Give up: the handler is cancelled, and nothing more is read."""
        if not self.closed:
            self._owner.forget(self)
            self.end(error=OperationCancelled("The request was given up."))
            await self._owner.transmit(encode(Close(self.id)))

    def deliver(self, data: msgspec.Raw) -> None:
        """Take a message of the handler."""
        self._inbox.put_nowait(data)

    def end(self, result: msgspec.Raw = NIL, error: WizError | None = None) -> None:
        """Take the end; only the first counts."""
        if not self.closed:
            self.closed = True
            self._error = error
            self._result = result
            self._inbox.put_nowait(None)
            self._ended.set()


class CommClient:
    """Opens comms over a link; `lost` makes the error that a lost link means."""

    def __init__(self, link: ClientLink, *, lost: Callable[[], WizError] = service_died) -> None:
        self._link = link
        self._lost = lost
        self._comms: dict[str, ClientComm] = {}
        self._failure: WizError | None = None
        self._reader: asyncio.Task[None] | None = None

    @property
    def failed(self) -> bool:
        """Whether nothing can be asked any more: the link is lost or closed."""
        return self._failure is not None

    async def start(self) -> None:
        """Begin to read, in the running event loop."""
        self._reader = asyncio.create_task(self._read())

    async def open(
        self, target: str, payload: Any, surroundings: dict[str, str] | None = None
    ) -> ClientComm:
        """Ask `target`; raises the WizError of a failed client, BadRequest for what cannot be sent.

        `surroundings` is what the asker's environment says, where that can matter.
        """
        comm = ClientComm(self, uuid4().hex)
        frame = encode(Open(comm.id, target, raw_request(payload), surroundings))
        if self._failure is not None:
            raise error_from_info(self._failure.info())
        # Registered before it is sent: an answer may be here before the send returns.
        self._comms[comm.id] = comm
        try:
            await self._link.send(frame)
        except LinkLost:
            self.fail(self._lost())
            raise self._lost() from None
        except BadRequest:
            self.forget(comm)
            raise
        return comm

    def fail(self, error: WizError) -> None:
        """End every open comm with `error`, and refuse new ones with it: the peer is gone."""
        if self._failure is None:
            self._failure = error
        comms, self._comms = self._comms, {}
        for comm in comms.values():
            comm.end(error=error_from_info(error.info()))

    async def close(self) -> None:
        """End open comms as given up, and close the link (which cancels their handlers)."""
        self.fail(OperationCancelled("The client was closed."))
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait({self._reader})
        await self._link.close()

    async def transmit(self, frame: bytes) -> None:
        """Send a comm's frame; a lost link has ended the comm, so that is no news here."""
        try:
            await self._link.send(frame)
        except LinkLost:
            self.fail(self._lost())

    def forget(self, comm: ClientComm) -> None:
        """Read nothing more for `comm`."""
        self._comms.pop(comm.id, None)

    async def _read(self) -> None:
        n_frames = 0
        while True:
            try:
                self._take(await self._link.receive())
            except LinkLost:
                self.fail(self._lost())
                return
            n_frames += 1
            if n_frames % FRAMES_PER_TURN == 0:
                await asyncio.sleep(0)

    def _take(self, data: bytes) -> None:
        try:
            frame = decode_frame(data)
        except BadRequest as error:
            log.warning("A frame of the server is garbage: %s", error)
            self._end_unreadable(data)
            return
        comm = self._comms.get(frame.comm)
        if comm is None or isinstance(frame, Open):
            return
        if isinstance(frame, Message):
            comm.deliver(frame.data)
        else:
            self.forget(comm)
            comm.end(frame.result, error_from_info(frame.error) if frame.error else None)

    def _end_unreadable(self, data: bytes) -> None:
        """A comm that a garbage frame names may have lost its end: it must not wait for it."""
        comm = self._comms.get(named_comm(data) or "")
        if comm is not None:
            self.forget(comm)
            comm.end(error=InternalError("The answer could not be read."))
