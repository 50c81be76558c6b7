"""Servers and clients over one kind of link: in memory, over ipc or over tcp."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from wiz_kernel_ext.transport.client import CommClient
from wiz_kernel_ext.transport.keys import KeyPair
from wiz_kernel_ext.transport.links import ClientLink, ServerLink
from wiz_kernel_ext.transport.memory import MemoryServerLink
from wiz_kernel_ext.transport.server import CommServer, Handler
from wiz_kernel_ext.transport.zmq_links import ZmqClientLink, ZmqServerLink


class Road:
    """Makes servers and clients on one kind of link, and closes them all."""

    def __init__(self, kind: str, directory: Path) -> None:
        self.kind = kind
        self.keys = KeyPair.generate()
        self.endpoint = f"ipc://{directory}/s.sock" if kind == "ipc" else "tcp://127.0.0.1:*"
        self._memory: MemoryServerLink | None = None
        self._closers: list[Callable[[], Awaitable[None]]] = []
        self._tasks: list[asyncio.Task[None]] = []

    def server_link(self) -> ServerLink:
        link: ServerLink
        if self.kind == "memory":
            link = self._memory = MemoryServerLink()
        else:
            link = zmq_link = ZmqServerLink(self.endpoint, self.keys)
            self.endpoint = zmq_link.endpoint
        self._closers.append(link.close)
        return link

    def client_link(self, client_id: str = "client-1") -> ClientLink:
        link: ClientLink
        if self._memory is not None:
            link = self._memory.connect(client_id)
        else:
            link = ZmqClientLink(self.endpoint, self.keys.public, client_id)
        self._closers.append(link.close)
        return link

    async def serve(self, handler: Handler) -> CommServer:
        server = CommServer(self.server_link(), handler)
        self._closers.append(server.close)
        self._tasks.append(asyncio.create_task(server.serve()))
        return server

    async def client(self, client_id: str = "client-1") -> CommClient:
        client = CommClient(self.client_link(client_id))
        await client.start()
        self._closers.append(client.close)
        return client

    async def close(self) -> None:
        for close in reversed(self._closers):
            await close()
        await asyncio.gather(*self._tasks)


async def until(condition: Callable[[], bool], timeout_s: float = 5.0) -> None:
    """Wait for a condition that another task brings about."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "waited in vain"
        await asyncio.sleep(0.005)
