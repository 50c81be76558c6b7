"""The `hub:*` requests as methods: models found, fetched, made, kept and removed.

A `model` is any name of one: "demo", a path, an alias, `user/repo:QUANT`, … `AsyncClient` inherits
these; `Client` is a sync view of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, TypeVar

from wiz_kernel_ext.protocol.codec import build
from wiz_kernel_ext.protocol.hub import (
    Aliases,
    Collection,
    Deletion,
    Inspection,
    LibraryModel,
    RepoHit,
    RepoListing,
    Verification,
)
from wiz_kernel_ext.protocol.hub_requests import (
    AddCollection,
    ConvertModel,
    Inspect,
    ListAliases,
    ListCollections,
    ListModels,
    ListRepo,
    PullModel,
    QuantizeModel,
    RemoveCollection,
    RemoveModel,
    SearchHub,
    SetAlias,
    SetDefaultModel,
    VerifyModel,
)
from wiz_kernel_ext.protocol.requests import DiscardDownload, Request
from wiz_kernel_ext.protocol.values import Name

R = TypeVar("R")


class ModelCalls(ABC):
    """What can be asked about models; every call ends in a result or a `WizError`."""

    @abstractmethod
    async def request(self, request: Request[R]) -> R:
        """Send `request` and wait for its one result."""

    async def search(
        self,
        text: str,
        *,
        limit: int = 20,
        fits: bool = False,
        context_size: int | None = None,
    ) -> list[RepoHit]:
        """Repositories with GGUF files; with `fits`, those with a model that runs here."""
        values = {"text": text, "limit": limit, "fits": fits, "context_size": context_size}
        return await self.request(build(SearchHub, values))

    async def list_repo(self, repo: str, *, context_size: int | None = None) -> RepoListing:
        """A repository's models, with quant, size and whether they fit."""
        values = {"repo": repo, "context_size": context_size}
        return await self.request(build(ListRepo, values))

    async def inspect(self, model: Name, *, context_size: int | None = None) -> Inspection:
        """What a GGUF says of itself, here or on the hub, read without loading it."""
        values = {"model": model, "context_size": context_size}
        return await self.request(build(Inspect, values))

    async def pull(
        self, model: Name, *, update: bool = False, limit_bytes_per_s: float | None = None
    ) -> str:
        """Download a model by its name, all its parts; returns the path to load.

        One that is here is not fetched again, unless `update` asks for what the hub has now.
        """
        values = {"model": model, "update": update, "limit_bytes_per_s": limit_bytes_per_s}
        return await self.request(build(PullModel, values))

    async def discard_download(self, operation_id: str) -> int:
        """Give a download up, running or paused; returns the bytes that were freed.

        Ends it, deletes what came of it and forgets it; to pause one, cancel it.
        """
        return await self.request(build(DiscardDownload, {"operation_id": operation_id}))

    async def models(self, *, check: bool = False) -> list[LibraryModel]:
        """The models on this machine; with `check`, whether the hub has newer ones."""
        return await self.request(build(ListModels, {"check": check}))

    async def remove_model(self, model: Name, *, only_ask: bool = False) -> Deletion:
        """Delete a model's files; with `only_ask`, just what that would free."""
        return await self.request(build(RemoveModel, {"model": model, "only_ask": only_ask}))

    async def verify_model(self, model: Name) -> Verification:
        """Compare a model's files with the sha256 they should have."""
        return await self.request(build(VerifyModel, {"model": model}))

    async def convert_model(self, source: Name, /, **options: Any) -> str:
        """Make a GGUF of a safetensors checkpoint, or of a PEFT adapter; returns its path.

        Keywords are `ConvertModel`'s fields: out_type, output, llama_cpp, base, overwrite.
        """
        return await self.request(build(ConvertModel, {"source": source, **options}))

    async def quantize_model(self, model: Name, quant: str, /, **options: Any) -> str:
        """Make a smaller GGUF of a large one; returns its path. Keywords: output, overwrite."""
        values = {"model": model, "quant": quant, **options}
        return await self.request(build(QuantizeModel, values))

    async def aliases(self) -> Aliases:
        """The user's names for models, and the default."""
        return await self.request(ListAliases())

    async def set_alias(self, alias: str, model: Name | None) -> list[LibraryModel]:
        """Call `model` by a short name; None gives the name up. Returns the models there are."""
        return await self.request(build(SetAlias, {"alias": alias, "model": model}))

    async def set_default_model(self, model: Name | None) -> list[LibraryModel]:
        """The model that is meant where none is named; None: none."""
        return await self.request(build(SetDefaultModel, {"model": model}))

    async def collections(self, *, refresh: bool = False) -> list[Collection]:
        """The named collections of models; with `refresh`, read again from their sources."""
        return await self.request(build(ListCollections, {"refresh": refresh}))

    async def add_collection(self, name: str, source: Name) -> Collection:
        """Keep a collection: a file of names, or a collection's address on the hub."""
        return await self.request(build(AddCollection, {"name": name, "source": source}))

    async def remove_collection(self, name: str) -> Collection:
        """Forget a collection; its models stay."""
        return await self.request(build(RemoveCollection, {"name": name}))
