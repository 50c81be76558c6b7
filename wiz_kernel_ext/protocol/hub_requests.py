"""The `hub:*` requests: models found, fetched, made, kept and removed.

A `model` is any name of one: "demo", a path, an alias, `user/repo`, `user/repo:QUANT`,
`user/repo/file.gguf`, `@revision`, a web address. Results are in `protocol/hub.py`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

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
from wiz_kernel_ext.protocol.requests import ContextSize, Request

AliasName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\Z", max_length=64)]


class SearchHub(Request[list[RepoHit]], frozen=True, kw_only=True):
    """Repositories with GGUF files; with `fits`, those with a model that runs on this machine."""

    target = "hub:search"
    text: str
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    fits: bool = False
    context_size: ContextSize | None = None


class ListRepo(Request[RepoListing], frozen=True, kw_only=True):
    """A repository's models, with quant, size and whether they fit."""

    target = "hub:listRepo"
    repo: str
    context_size: ContextSize | None = None


class Inspect(Request[Inspection], frozen=True, kw_only=True):
    """What a GGUF says of itself, here or on the hub, read without loading it."""

    target = "hub:inspect"
    model: str
    context_size: ContextSize | None = None


class PullModel(Request[str], frozen=True, kw_only=True):
    """Download a model by its name, all its parts; an operation that ends in its path.

    One that is here is not fetched again, unless `update` asks for what the hub has now.
    `limit_bytes_per_s` bounds the speed.
    """

    target = "hub:pull"
    operation = "download"
    model: str
    update: bool = False
    limit_bytes_per_s: Annotated[float, Meta(gt=0)] | None = None


class ListModels(Request[list[LibraryModel]], frozen=True, kw_only=True):
    """The models on this machine; with `check`, whether the hub has newer ones."""

    target = "hub:listModels"
    check: bool = False


class RemoveModel(Request[Deletion], frozen=True, kw_only=True):
    """Delete a model's files; with `only_ask`, just what that would free.

    Refused while the model is loaded, and for files that belong to another tool.
    """

    target = "hub:removeModel"
    is_change = True
    model: str
    only_ask: bool = False


class VerifyModel(Request[Verification], frozen=True, kw_only=True):
    """Compare a model's files with the sha256 they should have; an operation."""

    target = "hub:verify"
    operation = "verify"
    model: str


class ConvertModel(Request[str], frozen=True, kw_only=True):
    """Make a GGUF of a safetensors checkpoint, a folder or a repository; ends in its path.

    A folder of a PEFT adapter (LoRA) becomes an adapter's GGUF; `base` is the model it is for, a
    checkpoint's folder or any name of a GGUF that is here (default: as it says itself). `llama_cpp`
    is a llama.cpp checkout whose converter is to do it instead of ours.
    """

    target = "hub:convert"
    operation = "convert"
    source: str
    out_type: Literal["f32", "f16", "bf16", "q8_0"] = "bf16"
    output: str | None = None
    llama_cpp: str | None = None
    base: str | None = None
    overwrite: bool = False


class QuantizeModel(Request[str], frozen=True, kw_only=True):
    """Make a smaller GGUF of a large one; an operation that ends in its path."""

    target = "hub:quantize"
    operation = "quantize"
    model: str
    quant: str
    output: str | None = None
    overwrite: bool = False


class ListAliases(Request[Aliases], frozen=True, kw_only=True):
    """The user's names for models, and the default."""

    target = "hub:listAliases"


class SetAlias(Request[list[LibraryModel]], frozen=True, kw_only=True):
    """Call `model` by a short name; without a model the name is given up."""

    target = "hub:setAlias"
    is_change = True
    alias: AliasName
    model: str | None = None


class SetDefaultModel(Request[list[LibraryModel]], frozen=True, kw_only=True):
    """The model that is meant where none is named; None: none."""

    target = "hub:setDefaultModel"
    is_change = True
    model: str | None = None


class ListCollections(Request[list[Collection]], frozen=True, kw_only=True):
    """The named collections of models; with `refresh`, read again from their sources."""

    target = "hub:listCollections"
    refresh: bool = False


class AddCollection(Request[Collection], frozen=True, kw_only=True):
    """Keep a collection: `source` is a file of names, or a collection's address on the hub."""

    target = "hub:addCollection"
    name: AliasName
    source: str


class RemoveCollection(Request[Collection], frozen=True, kw_only=True):
    """Forget a collection; its models stay."""

    target = "hub:removeCollection"
    name: AliasName
