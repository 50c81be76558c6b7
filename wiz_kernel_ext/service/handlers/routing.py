"""From a comm to the handler of its target."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from wiz_kernel_ext.protocol import requests as r
from wiz_kernel_ext.protocol.codec import decode_request
from wiz_kernel_ext.protocol.hub_requests import RemoveModel, SetAlias, SetDefaultModel
from wiz_kernel_ext.protocol.requests import Request
from wiz_kernel_ext.service.changes import Changes
from wiz_kernel_ext.transport.server import ServerComm

# A handler's request type is its own; the table is what puts the two together.
Handler = Callable[[ServerComm, Any], Awaitable[Any]]
Table = Mapping[type[Request], Handler]

# What changes something without being an operation.
CHANGING: frozenset[type[Request]] = frozenset(
    {
        r.CreateContext,
        r.InitializeSession,
        r.UnloadModel,
        r.OpenSession,
        r.DeleteSession,
        r.DropLastTurn,
        r.DiscardDownload,
        RemoveModel,
        SetAlias,
        SetDefaultModel,
    }
)


class Router:
    """Decodes each payload, calls its handler and tells whoever waits that something changed."""

    def __init__(self, tables: Sequence[Table], changes: Changes) -> None:
        self._handlers = {
            request: handler for table in tables for request, handler in table.items()
        }
        self._changes = changes

    async def handle(self, comm: ServerComm) -> Any:
        """Answer a comm; raises UnknownTarget, BadRequest and what the handler raises."""
        request = decode_request(comm.target, comm.payload)
        try:
            return await self._handlers[type(request)](comm, request)
        finally:
            if type(request) in CHANGING:
                self._changes.tell()
