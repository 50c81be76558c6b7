"""`worker:embed` and `worker:rerank`: passed on to the worker of the client's model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wiz_kernel_ext.protocol.embedding import Embed, Rerank
from wiz_kernel_ext.service.embedding import Embedding
from wiz_kernel_ext.service.event_stream import see_through
from wiz_kernel_ext.service.handlers.routing import Handlers, handles
from wiz_kernel_ext.transport.server import ServerComm


@dataclass(frozen=True)
class EmbeddingHandlers(Handlers):
    """Vectors of texts, and scores."""

    embedding: Embedding

    @handles(Embed)
    async def embed(self, comm: ServerComm, request: Embed) -> Any:
        """worker:embed; the log ends without the vectors, the comm with them."""
        whole: list[Any] = []
        operation = await self.embedding.embed(request, comm.client, whole.append)
        await see_through(comm, operation)
        return whole[0]

    @handles(Rerank)
    async def rerank(self, comm: ServerComm, request: Rerank) -> Any:
        """worker:rerank."""
        return await see_through(comm, await self.embedding.rerank(request, comm.client))
