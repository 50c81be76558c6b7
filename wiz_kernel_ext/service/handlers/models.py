"""The `hub:*` requests: models found, fetched, made, kept and removed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from wiz_kernel_ext.errors import Conflict
from wiz_kernel_ext.hub.collections import Collections
from wiz_kernel_ext.hub.deletion import remove
from wiz_kernel_ext.hub.inspection import inspect
from wiz_kernel_ext.hub.search import list_repo, search
from wiz_kernel_ext.hub.updates import with_updates
from wiz_kernel_ext.models.library import Library
from wiz_kernel_ext.protocol import hub_requests as r
from wiz_kernel_ext.protocol.hub import (
    Aliases,
    Collection,
    Deletion,
    Inspection,
    LibraryModel,
    RepoHit,
    RepoListing,
)
from wiz_kernel_ext.service.event_stream import see_through
from wiz_kernel_ext.service.handlers.routing import Handlers, handles
from wiz_kernel_ext.service.jobs import Jobs
from wiz_kernel_ext.service.supervisor import Supervisor
from wiz_kernel_ext.transport.server import ServerComm


@dataclass(frozen=True)
class ModelHandlers(Handlers):
    """`hub:search` to `hub:removeCollection`."""

    library: Library
    collections: Collections
    jobs: Jobs
    supervisor: Supervisor

    @handles(r.SearchHub)
    async def search(self, comm: ServerComm, request: r.SearchHub) -> list[RepoHit]:
        """hub:search."""
        return await search(
            request.text,
            limit=request.limit,
            fits=request.fits,
            context_size=request.context_size,
        )

    @handles(r.ListRepo)
    async def list_repo(self, comm: ServerComm, request: r.ListRepo) -> RepoListing:
        """hub:listRepo."""
        return await list_repo(request.repo, request.context_size)

    @handles(r.Inspect)
    async def inspect(self, comm: ServerComm, request: r.Inspect) -> Inspection:
        """hub:inspect."""
        return await inspect(self.library.resolve(request.model), request.context_size)

    @handles(r.PullModel)
    async def pull(self, comm: ServerComm, request: r.PullModel) -> Any:
        """hub:pull."""
        return await see_through(comm, await self.jobs.pull(request, comm.client))

    @handles(r.ListModels)
    async def list_models(self, comm: ServerComm, request: r.ListModels) -> list[LibraryModel]:
        """hub:listModels."""
        models = await asyncio.to_thread(self.library.models)
        return await with_updates(models) if request.check else models

    @handles(r.RemoveModel)
    async def remove(self, comm: ServerComm, request: r.RemoveModel) -> Deletion:
        """hub:removeModel."""
        deletion = await remove(self.library, request.model, only_ask=True)
        loaded = {worker.path for worker in self.supervisor.all()} & set(deletion.files)
        if request.only_ask:
            return deletion
        if loaded:
            raise Conflict(
                f"{deletion.name} is loaded.",
                hint=f"Unload it first: `wiz unload {request.model}`.",
            )
        return await remove(self.library, request.model)

    @handles(r.VerifyModel)
    async def verify(self, comm: ServerComm, request: r.VerifyModel) -> Any:
        """hub:verify."""
        return await see_through(comm, await self.jobs.verify(request, comm.client))

    @handles(r.ConvertModel)
    async def convert(self, comm: ServerComm, request: r.ConvertModel) -> Any:
        """hub:convert."""
        return await see_through(comm, await self.jobs.convert(request, comm.client))

    @handles(r.QuantizeModel)
    async def quantize(self, comm: ServerComm, request: r.QuantizeModel) -> Any:
        """hub:quantize."""
        return await see_through(comm, await self.jobs.quantize(request, comm.client))

    @handles(r.ListAliases)
    async def list_aliases(self, comm: ServerComm, request: r.ListAliases) -> Aliases:
        """hub:listAliases."""
        return Aliases(aliases=self.library.aliases(), default=self.library.default())

    @handles(r.SetAlias)
    async def set_alias(self, comm: ServerComm, request: r.SetAlias) -> list[LibraryModel]:
        """hub:setAlias."""
        self.library.set_alias(request.alias, request.model)
        return await asyncio.to_thread(self.library.models)

    @handles(r.SetDefaultModel)
    async def set_default(self, comm: ServerComm, request: r.SetDefaultModel) -> list[LibraryModel]:
        """hub:setDefaultModel."""
        self.library.set_default(request.model)
        return await asyncio.to_thread(self.library.models)

    @handles(r.ListCollections)
    async def list_collections(
        self, comm: ServerComm, request: r.ListCollections
    ) -> list[Collection]:
        """hub:listCollections."""
        return await self.collections.list(request.refresh)

    @handles(r.AddCollection)
    async def add_collection(self, comm: ServerComm, request: r.AddCollection) -> Collection:
        """hub:addCollection."""
        return await self.collections.add(request.name, request.source)

    @handles(r.RemoveCollection)
    async def remove_collection(self, comm: ServerComm, request: r.RemoveCollection) -> Collection:
        """hub:removeCollection."""
        known = {collection.name: collection for collection in await self.collections.list()}
        await asyncio.to_thread(self.collections.remove, request.name)
        return known[request.name]
