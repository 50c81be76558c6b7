"""Links in memory, for tests and for two ends in one event loop: the twin of `zmq_links`.

Behaves as they do where comms can tell: same order, same size limit, same news of who is gone.
"""

from __future__ import annotations

import asyncio

from wiz_kernel_ext.transport.links import LinkLost, check_size


class MemoryServerLink:
    """A server that clients of the same process connect to."""

    def __init__(self) -> None:
        self._inbox: asyncio.Queue[tuple[str, bytes] | None] = asyncio.Queue()
        self._clients: dict[str, MemoryClientLink] = {}
        self._closed = False

    def connect(self, client_id: str) -> MemoryClientLink:
        """A new client; it takes the place of one with the same id."""
        link = MemoryClientLink(self, client_id)
        if self._closed:
            link.lose()
            return link
        if (former := self._clients.pop(client_id, None)) is not None:
            former.lose()
            self.put(client_id, b"")
        self._clients[client_id] = link
        return link

    async def receive(self) -> tuple[str, bytes]:
        """See `ServerLink`."""
        item = None if self._closed else await self._inbox.get()
        if item is None:
            raise LinkLost("The link is closed.")
        return item

    async def send(self, client: str, frame: bytes) -> None:
        """See `ServerLink`."""
        check_size(frame)
        if (link := self._clients.get(client)) is not None:
            link.deliver(frame)

    async def close(self) -> None:
        """See `ServerLink`."""
        self._closed = True
        self._inbox.put_nowait(None)
        for link in self._clients.values():
            link.lose()
        self._clients.clear()

    def put(self, client: str, frame: bytes) -> None:
        """Take a frame from a client; an empty one says that it is gone."""
        self._inbox.put_nowait((client, frame))

    def forget(self, link: MemoryClientLink) -> None:
        """Take note that a client went, unless another has its id by now."""
        if self._clients.get(link.client_id) is link:
            del self._clients[link.client_id]
            self.put(link.client_id, b"")


class MemoryClientLink:
    """The client's end; made by `MemoryServerLink.connect`."""

    def __init__(self, server: MemoryServerLink, client_id: str) -> None:
        self.client_id = client_id
        self._server = server
        self._inbox: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._lost = False

    async def receive(self) -> bytes:
        """See `ClientLink`."""
        frame = None if self._lost and self._inbox.empty() else await self._inbox.get()
        if frame is None:
            raise LinkLost("The server is gone.")
        return frame

    async def send(self, frame: bytes) -> None:
        """See `ClientLink`."""
        check_size(frame)
        if self._lost:
            raise LinkLost("The server is gone.")
        self._server.put(self.client_id, frame)

    async def close(self) -> None:
        """See `ClientLink`."""
        self.lose()
        self._server.forget(self)

    def deliver(self, frame: bytes) -> None:
        """Take a frame from the server."""
        self._inbox.put_nowait(frame)

    def lose(self) -> None:
        """The server is gone, or has given this client's place to another."""
        if not self._lost:
            self._lost = True
            self._inbox.put_nowait(None)
