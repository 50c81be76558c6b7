"""Links over ZeroMQ: a ROUTER that serves, DEALERs that ask; CURVE on ipc and tcp alike.

No high-water mark: a frame is never dropped and a send never waits; how much may be on its way to
a slow reader is settled one layer up, by acknowledgements. A connection that breaks is reported on
both ends and not mended: ZeroMQ would reconnect in silence, with frames of either side lost.

A link belongs to the event loop it was made in, and has a ZeroMQ context of its own, so that
closing one never waits for another. An empty frame is a greeting one way (a new client has this
id) and a probe the other (is anybody there?); neither reaches the comms. Every connection has a
route of its own: ZeroMQ's handover of a route leaves the former client connected and deaf, so a
client that is replaced is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import secrets
from collections import deque
from pathlib import Path
from typing import cast

import zmq
import zmq.asyncio
from zmq.utils.monitor import recv_monitor_message

from wiz_kernel_ext.errors import ServiceError
from wiz_kernel_ext.transport import descriptors
from wiz_kernel_ext.transport.keys import KeyPair
from wiz_kernel_ext.transport.links import MAX_FRAME_BYTES, LinkLost, check_size

SERVER_LINGER_MS = 500
# CURVE adds some tens of bytes to a frame.
_MAX_WIRE_BYTES = MAX_FRAME_BYTES + 1024
# A broken connection is announced just before its route is taken down: look at once, and again.
_PROBE_DELAYS_S = (0.01, 0.2)
# A broken connection is announced just before the last frames read from it: leave them a moment,
# but be off before ZeroMQ reconnects.
_SETTLE_S = 0.03
_RECONNECT_MS = 100
_REPLACED = b"\0"
_LOST_EVENTS = (
    zmq.EVENT_DISCONNECTED
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
)

log = logging.getLogger(__name__)


class _ZmqSocket:
    """One socket, its context, its monitor and the read that is waiting."""

    def __init__(self, kind: int, events: int) -> None:
        self.context = zmq.asyncio.Context()
        self.socket = self.context.socket(kind)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.SNDHWM, 0)
        self.socket.setsockopt(zmq.RCVHWM, 0)
        self.socket.setsockopt(zmq.MAXMSGSIZE, _MAX_WIRE_BYTES)
        self.monitor = self.socket.get_monitor_socket(events)
        self.waiting: asyncio.Future[list[bytes]] | None = None
        self.closed = False

    async def receive(self) -> list[bytes]:
        """The next multipart message; an empty one after `wake`."""
        if self.closed:
            raise LinkLost("The link is closed.")
        read = cast("asyncio.Future[list[bytes]]", self.socket.recv_multipart())
        self.waiting = read
        try:
            return await read
        except asyncio.CancelledError:
            if self.closed:
                raise LinkLost("The link is closed.") from None
            raise
        except zmq.ZMQError as error:
            raise LinkLost(str(error)) from error
        finally:
            self.waiting = None

    def wake(self) -> None:
        """Let a read that waits return an empty message."""
        if self.waiting is not None and not self.waiting.done():
            self.waiting.set_result([])

    async def event(self) -> tuple[int, int]:
        """Wait for the monitor's next event; returns its kind, and the descriptor it is about."""
        message = await recv_monitor_message(self.monitor)
        return int(message["event"]), int(message["value"])

    async def close(self, linger_ms: int) -> None:
        """Close socket and context; waits at most `linger_ms` for what is still queued."""
        if self.closed:
            return
        self._close_sockets(linger_ms)
        try:
            # term() waits out the linger, so it must not hold up the loop.
            await asyncio.get_running_loop().run_in_executor(None, self.context.term)
        except RuntimeError:
            # The interpreter is ending and has no more threads to give.
            self.context.term()

    def discard(self) -> None:
        """Close what was never connected: nothing is queued, so nothing is waited for."""
        self._close_sockets(0)
        self.context.term()

    def _close_sockets(self, linger_ms: int) -> None:
        self.closed = True
        with contextlib.suppress(zmq.ZMQError):
            self.socket.disable_monitor()
        self.monitor.close(linger=0)
        self.socket.close(linger=linger_ms)


def drain(socket: zmq.asyncio.Socket) -> deque[list[bytes]]:
    """Every message that is here, without waiting."""
    messages: deque[list[bytes]] = deque()
    with contextlib.suppress(zmq.ZMQError):
        while True:
            read = socket.recv_multipart(flags=zmq.DONTWAIT)
            messages.append(cast("asyncio.Future[list[bytes]]", read).result())
    return messages


class ZmqServerLink:
    """A ROUTER listening at `endpoint` (its `.endpoint` has the port that tcp chose).

    Raises ServiceError if it cannot listen there.
    """

    def __init__(self, endpoint: str, keys: KeyPair) -> None:
        self._zmq = _ZmqSocket(zmq.ROUTER, zmq.EVENT_DISCONNECTED | zmq.EVENT_ACCEPTED)
        socket = self._zmq.socket
        socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        socket.setsockopt(zmq.CURVE_SERVER, 1)
        socket.setsockopt(zmq.CURVE_SECRETKEY, keys.secret.encode())
        try:
            socket.bind(endpoint)
        except zmq.ZMQError as error:
            self._zmq.discard()
            raise ServiceError(f"Cannot listen at {endpoint}: {error}.") from error
        self.endpoint = socket.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0")
        self._file = self.endpoint.removeprefix("ipc://") if endpoint.startswith("ipc:") else None
        self._inode = self._made_private()
        self._routes: dict[str, bytes] = {}
        self._gone: deque[str] = deque()
        self._hidden: Path | None = None
        self._broken = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self._watch_connections()),
            loop.create_task(self._probe_when_broken()),
        ]

    @property
    def is_full(self) -> bool:
        """Whether nobody else is let in, as there are too few descriptors left."""
        return self._hidden is not None

    def _made_private(self) -> int | None:
        if self._file is None:
            return None
        Path(self._file).chmod(0o600)
        return Path(self._file).stat().st_ino

    def listen_again(self) -> bool:
        """Listen where it listened, if its socket file was removed; whether that was so.

        Who is connected stays connected. One that was full lets others in again, where there are
        enough descriptors. Raises OSError.
        """
        if self._file is None or self._zmq.closed:
            return False
        if self._hidden is not None:
            if descriptors.n_open() > descriptors.limit() - descriptors.margin() * 5 // 4:
                return False
            log.warning("There are descriptors for other clients again.")
            hidden, self._hidden = self._hidden, None
            with contextlib.suppress(FileNotFoundError):
                hidden.rename(self._file)
        if _inode(self._file) == self._inode:
            return False
        # The former listener is left: without it its connections would break.
        self._zmq.socket.bind(self.endpoint)
        self._inode = self._made_private()
        return True

    async def receive(self) -> tuple[str, bytes]:
        """See `ServerLink`."""
        while True:
            if self._gone:
                return self._gone.popleft(), b""
            parts = await self._zmq.receive()
            if len(parts) != 2:
                if parts:
                    log.warning("A message of %d parts was dropped.", len(parts))
                continue
            route, frame = parts
            client = route.decode("utf-8", "surrogateescape").rpartition("/")[0]
            current = self._routes.setdefault(client, route)
            if route == current and frame:
                return client, frame
            if route != current and not frame:
                self._routes[client] = route
                await self._send(client, current, _REPLACED)
                return client, b""

    async def send(self, client: str, frame: bytes) -> None:
        """See `ServerLink`."""
        check_size(frame)
        if (route := self._routes.get(client)) is not None and not self._zmq.closed:
            await self._send(client, route, frame)

    async def _send(self, client: str, route: bytes, frame: bytes) -> None:
        try:
            await self._zmq.socket.send_multipart((route, frame))
        except zmq.ZMQError as error:
            if error.errno != errno.EHOSTUNREACH and not self._zmq.closed:
                log.warning("A frame for client %s was dropped: %s", client, error)
            if self._routes.get(client) == route:
                # The reader hears that the client is gone.
                del self._routes[client]
                self._gone.append(client)
                self._zmq.wake()

    async def _watch_connections(self) -> None:
        while True:
            event, value = await self._zmq.event()
            if event == zmq.EVENT_DISCONNECTED:
                self._broken.set()
            elif value >= descriptors.limit() - descriptors.margin():
                self._hide()

    def _hide(self) -> None:
        """Let nobody else in: the socket's file gets another name, as unbinding breaks all."""
        if self._file is None or self._hidden is not None:
            return
        hidden = Path(f"{self._file}.full")
        try:
            Path(self._file).rename(hidden)
        except OSError as error:
            log.warning("Too few descriptors, and the socket cannot be hidden: %s", error)
            return
        self._hidden = hidden
        log.warning(
            "Too few descriptors are left (of %d): no other client is let in.", descriptors.limit()
        )

    async def _probe_when_broken(self) -> None:
        # The monitor tells that a connection broke, not whose: ask every client's route.
        while True:
            await self._broken.wait()
            for delay_s in _PROBE_DELAYS_S:
                # Before the pause: news that come in the last one are waited out in the next round.
                self._broken.clear()
                await asyncio.sleep(delay_s)
                for client, route in tuple(self._routes.items()):
                    await self._send(client, route, b"")

    async def close(self) -> None:
        """See `ServerLink`."""
        for task in self._tasks:
            task.cancel()
        await self._zmq.close(SERVER_LINGER_MS)
        self._remove_file()

    def _remove_file(self) -> None:
        # ZeroMQ leaves it behind.
        if self._file is not None:
            Path(self._file).unlink(missing_ok=True)
        if self._hidden is not None:
            self._hidden.unlink(missing_ok=True)


def _inode(file: str) -> int | None:
    try:
        return Path(file).stat().st_ino
    except FileNotFoundError:
        return None


class ZmqClientLink:
    """A DEALER connected to `endpoint`; `server_key` is the server's public key.

    A server that does not listen yet is waited for. `client_id` is this client's name there (at
    most 200 bytes): a later link with the same id takes its place.
    """

    def __init__(self, endpoint: str, server_key: str, client_id: str) -> None:
        self._zmq = _ZmqSocket(zmq.DEALER, _LOST_EVENTS | zmq.EVENT_HANDSHAKE_SUCCEEDED)
        self._met = asyncio.Event()
        self._endpoint = endpoint
        self._lost = False
        self._last: deque[list[bytes]] = deque()
        own = KeyPair.generate()
        socket = self._zmq.socket
        route = f"{client_id}/{secrets.token_hex(4)}"
        socket.setsockopt(zmq.ROUTING_ID, route.encode("utf-8", "surrogateescape"))
        socket.setsockopt(zmq.CURVE_SERVERKEY, server_key.encode())
        socket.setsockopt(zmq.CURVE_PUBLICKEY, own.public.encode())
        socket.setsockopt(zmq.CURVE_SECRETKEY, own.secret.encode())
        socket.setsockopt(zmq.RECONNECT_IVL, _RECONNECT_MS)
        try:
            socket.connect(endpoint)
        except zmq.ZMQError as error:
            self._zmq.discard()
            raise ServiceError(f"Cannot connect to {endpoint}: {error}.") from error
        socket.send(b"", flags=zmq.DONTWAIT)
        self._watch = asyncio.get_running_loop().create_task(self._watch_connection())

    async def receive(self) -> bytes:
        """See `ClientLink`."""
        while True:
            if self._last:
                parts = self._last.popleft()
            elif self._lost:
                raise LinkLost("The server is gone.")
            else:
                parts = await self._zmq.receive()
            if parts and parts[-1] == _REPLACED:
                self._lost = True
            elif parts and parts[-1]:
                return parts[-1]

    async def send(self, frame: bytes) -> None:
        """See `ClientLink`."""
        check_size(frame)
        if self._lost or self._zmq.closed:
            raise LinkLost("The server is gone.")
        await self._zmq.socket.send(frame)

    async def met(self, timeout_s: float) -> bool:
        """Whether a server answers there, that has the key it should; waits at most `timeout_s`."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._met.wait(), timeout_s)
        return self._met.is_set()

    async def _watch_connection(self) -> None:
        while (await self._zmq.event())[0] == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            self._met.set()
        await asyncio.sleep(_SETTLE_S)
        self._last = drain(self._zmq.socket)
        self._lost = True
        with contextlib.suppress(zmq.ZMQError):
            self._zmq.socket.disconnect(self._endpoint)
        self._zmq.wake()

    async def close(self) -> None:
        """See `ClientLink`."""
        self._watch.cancel()
        await self._zmq.close(0)
