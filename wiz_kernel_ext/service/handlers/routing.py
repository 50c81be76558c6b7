"""From a comm to the handler of its target."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from wiz_kernel_ext.protocol.codec import decode_request
from wiz_kernel_ext.protocol.requests import AnyRequest
from wiz_kernel_ext.service.changes import Changes
from wiz_kernel_ext.surroundings import asked_from
from wiz_kernel_ext.transport.server import ServerComm

Handler = Callable[[ServerComm, Any], Awaitable[Any]]
Table = Mapping[type[AnyRequest], Handler]
H = TypeVar("H", bound=Callable[..., Awaitable[Any]])


def handles(request: type[AnyRequest]) -> Callable[[H], H]:
    """Mark a method of `Handlers` as the one that answers `request`."""

    def mark(method: H) -> H:
        method.handled = request  # type: ignore[attr-defined]
        return method

    return mark


class Handlers:
    """A family of handlers, each a method marked by `handles`."""

    def table(self) -> Table:
        """Which request goes where."""
        methods = [getattr(self, name) for name in dir(type(self)) if not name.startswith("__")]
        return {method.handled: method for method in methods if hasattr(method, "handled")}


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
            with asked_from(comm.surroundings):
                return await self._handlers[type(request)](comm, request)
        finally:
            if request.is_change:
                self._changes.tell()
