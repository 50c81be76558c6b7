"""How texts travel through the service for their vectors: model ready → worker → the asker.

Vectors are megabytes and can be had again: they go to their asker alone, and what is kept of the
operation is what was computed, without them. Called by the handlers with a request already decoded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from msgspec import structs

from wiz_kernel_ext.protocol.codec import raw
from wiz_kernel_ext.protocol.embedding import Embed, Embeddings, Rerank, Scores
from wiz_kernel_ext.protocol.events import StateChanged
from wiz_kernel_ext.protocol.requests import Request
from wiz_kernel_ext.service.clients import Clients
from wiz_kernel_ext.service.operations import Operation, Operations
from wiz_kernel_ext.service.prompting import Prompting
from wiz_kernel_ext.service.sessions import Sessions
from wiz_kernel_ext.service.supervisor import Supervisor
from wiz_kernel_ext.service.waiting import telling_silence
from wiz_kernel_ext.store import SessionRow

R = TypeVar("R", Embeddings, Scores)


@dataclass(frozen=True)
class Embedding:
    """Begins the operations that make vectors and scores; which model is meant is `prompting`'s."""

    clients: Clients
    operations: Operations
    prompting: Prompting
    sessions: Sessions
    supervisor: Supervisor

    async def embed(self, request: Embed, client: str, take: Callable[[Any], object]) -> Operation:
        """Start the operation that answers `request`; `take` gets its whole result, encoded."""

        async def body(operation: Operation) -> Embeddings:
            whole = await self._ask(operation, request, Embeddings)
            take(raw(whole))
            return structs.replace(whole, vectors=b"")

        title = f"vectors of {_count(request.texts)}"
        return await self._begin(request, client, title, "embed", body)

    async def rerank(self, request: Rerank, client: str) -> Operation:
        """Start the operation that answers `request`."""

        async def body(operation: Operation) -> Scores:
            return await self._ask(operation, request, Scores)

        title = f"{_count(request.texts)} for: {request.query}"
        return await self._begin(request, client, title, "rerank", body)

    async def _begin(
        self, request: Embed | Rerank, client: str, title: str, kind: Any, body: Any
    ) -> Operation:
        session = await self._session(request)
        meant = await self.prompting.meant(request, self.clients[client], session)
        if not request.autoload:
            self.prompting.ready(meant.key)
        path = str(meant.path) if meant.path else None
        operation = Operation(kind, title=title, client=client, model_path=path)
        await self.operations.start(operation, body)
        return operation

    async def _session(self, request: Embed | Rerank) -> SessionRow | None:
        """The conversation whose model is meant where none is named."""
        return None if request.session is None else await self.sessions.find(request.session)

    async def _ask(self, operation: Operation, request: Embed | Rerank, result: type[R]) -> R:
        operation.emit(StateChanged(state="running"))
        state = self.clients[operation.client]
        session = await self._session(request)
        async with self.prompting.worker(operation, request, state, session) as worker:
            operation.model_path = worker.path
            passed_on: Request[Any] = structs.replace(
                request, model_path=None, session=None, autoload=False
            )
            found = await worker.process.embed(
                passed_on,
                result,
                operation.pass_on,
                operation.on_cancel,
                telling_silence(operation),
            )
        self.supervisor.crashes.forget(worker.key)
        return structs.replace(found, model_path=worker.path)


def _count(texts: list[str]) -> str:
    return f"{len(texts)} texts" if len(texts) != 1 else "a text"
