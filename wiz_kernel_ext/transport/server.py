"""The serving side of comms: one task per comm, and exactly one end for each.

Knows frames, not what they are about: the handler gets a comm with its target and its payload
still encoded. The service and the worker's bridge bring a handler and a link.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from wiz_kernel_ext.errors import (
    BadRequest,
    InternalError,
    OperationCancelled,
    ServiceStopping,
    WizError,
    not_permitted,
    unexpected,
)
from wiz_kernel_ext.protocol.codec import (
    Close,
    Message,
    Open,
    decode_frame,
    encode,
    message_frame,
    named_comm,
    raw,
)
from wiz_kernel_ext.transport.links import LinkLost, ServerLink

# A flood from one client must leave the loop a turn for the others.
FRAMES_PER_TURN = 16
CLOSE_TIMEOUT_S = 2.0

log = logging.getLogger(__name__)


class CommClosed(Exception):
    """The asker closed the comm or is gone: it sends nothing more, and nobody reads the answer."""


class ServerComm:
    """One comm, as its handler sees it: `target`, the encoded `payload`, and who asks."""

    def __init__(self, link: ServerLink, client: str, opening: Open) -> None:
        self.id = opening.comm
        self.client = client
        self.target = opening.target
        self.payload = opening.payload
        self.surroundings = opening.surroundings
        self.closed = False
        self._link = link
        self._inbox: asyncio.Queue[msgspec.Raw | None] = asyncio.Queue()

    async def send(self, data: Any) -> None:
        """Send one message to the asker; nothing once the comm is closed."""
        if not self.closed:
            await self._link.send(self.client, message_frame(self.id, data))

    async def receive(self) -> msgspec.Raw:
        """The asker's next message; raises CommClosed once there will be none."""
        data = None if self.closed and self._inbox.empty() else await self._inbox.get()
        if data is None:
            self._inbox.put_nowait(None)
            raise CommClosed(self.id)
        return data

    def deliver(self, data: msgspec.Raw) -> None:
        """Take a message of the asker."""
        self._inbox.put_nowait(data)

    def give_up(self) -> None:
        """The asker is gone: nothing is sent any more."""
        self.closed = True
        self._inbox.put_nowait(None)

    async def end(self, result: Any = None, error: WizError | None = None) -> None:
        """Send the one close; nothing if the comm is closed already."""
        if self.closed:
            return
        self.give_up()
        try:
            frame = _closing(self.id, result, error)
            await self._link.send(self.client, frame)
        except BadRequest as too_large:
            await self._link.send(self.client, _closing(self.id, None, too_large))


def _closing(comm: str, result: Any, error: WizError | None) -> bytes:
    try:
        if error is not None:
            return encode(Close(comm, error=error.info()))
        return encode(Close(comm, result=raw(result)))
    except (TypeError, ValueError, OverflowError, RecursionError) as failure:
        log.exception("The end of comm %s cannot be encoded.", comm)
        return encode(
            Close(comm, error=InternalError(f"An answer is no message: {failure}").info())
        )


Handler = Callable[[ServerComm], Awaitable[Any]]


class CommServer:
    """Answers comms on a link: what `handler` returns or raises is the one end of each.

    A WizError reaches the asker as it is, any other exception as InternalError, its traceback the
    log. An asker that closes its comm or vanishes cancels its handler.
    """

    def __init__(self, link: ServerLink, handler: Handler) -> None:
        self._link = link
        self._handler = handler
        self._comms: dict[tuple[str, str], ServerComm] = {}
        self._tasks: dict[ServerComm, asyncio.Task[None]] = {}
        self._stopping = False
        self._closed = asyncio.Event()

    @property
    def clients(self) -> set[str]:
        """The clients with an open comm."""
        return {client for client, _ in self._comms}

    async def serve(self) -> None:
        """Serve until `close` has finished."""
        n_frames = 0
        with contextlib.suppress(LinkLost):
            while True:
                client, frame = await self._link.receive()
                await self._take(client, frame)
                n_frames += 1
                if n_frames % FRAMES_PER_TURN == 0:
                    await asyncio.sleep(0)
        await self.close()
        await self._closed.wait()

    async def close(self, error: WizError | None = None) -> None:
        """End every open comm with `error` (default: ServiceStopping), then the link."""
        if self._stopping:
            await self._closed.wait()
            return
        self._stopping = True
        reason = error or ServiceStopping("The service is stopping.")
        for comm in tuple(self._comms.values()):
            await comm.end(error=reason)
        # A handler may close the server: it is not waited for.
        tasks = set(self._tasks.values()) - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSE_TIMEOUT_S)
        try:
            await self._link.close()
        finally:
            self._closed.set()

    async def _take(self, client: str, data: bytes) -> None:
        if not data:
            for orphan in [c for (owner, _), c in self._comms.items() if owner == client]:
                self._drop(orphan)
            return
        try:
            frame = decode_frame(data)
        except BadRequest as error:
            await self._refuse(client, data, error)
            return
        comm = self._comms.get((client, frame.comm))
        if isinstance(frame, Open):
            await self._open(client, frame)
        elif comm is not None and isinstance(frame, Message):
            comm.deliver(frame.data)
        elif comm is not None:
            self._drop(comm)

    async def _open(self, client: str, frame: Open) -> None:
        comm = ServerComm(self._link, client, frame)
        if self._stopping:
            await comm.end(error=ServiceStopping("The service is stopping."))
        elif (client, frame.comm) in self._comms:
            await comm.end(error=BadRequest(f"Comm {frame.comm!r} is open already.", field="comm"))
        else:
            self._comms[client, frame.comm] = comm
            task = self._tasks[comm] = asyncio.create_task(self._run(comm))
            task.add_done_callback(lambda _: self._release(comm))

    async def _run(self, comm: ServerComm) -> None:
        try:
            await comm.end(result=await self._handler(comm))
        except WizError as error:
            await comm.end(error=error)
        except CommClosed:
            await comm.end(error=OperationCancelled("The request was given up."))
        except asyncio.CancelledError:
            await comm.end(error=OperationCancelled("The request was cancelled."))
        except BaseException as error:
            if isinstance(error, OSError) and (refused := not_permitted(error)):
                await comm.end(error=refused)
                return
            log.exception("The handler of %s failed.", comm.target)
            what = f"{comm.target} failed with {type(error).__name__}: {error}"
            await comm.end(error=unexpected(error, what))
            if not isinstance(error, Exception):
                raise

    def _release(self, comm: ServerComm) -> None:
        # Not in `_run`: a task cancelled before its first step never runs it.
        del self._tasks[comm]
        if self._comms.get((comm.client, comm.id)) is comm:
            del self._comms[comm.client, comm.id]

    def _drop(self, comm: ServerComm) -> None:
        """The asker gave up: cancel the handler, answer nothing."""
        self._comms.pop((comm.client, comm.id), None)
        comm.give_up()
        self._tasks[comm].cancel()

    async def _refuse(self, client: str, data: bytes, error: BadRequest) -> None:
        log.warning("A frame of client %s is garbage: %s", client, error)
        comm_id = named_comm(data)
        if comm_id is None:
            return
        if (comm := self._comms.get((client, comm_id))) is not None:
            await comm.end(error=error)
            self._tasks[comm].cancel()
        else:
            await self._link.send(client, _closing(comm_id, None, error))
