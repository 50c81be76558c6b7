"""The `hub:*` requests: models found, fetched, made, kept and removed.

A `model` is any name of one: "demo", a path, an alias, `user/repo`, `user/repo:QUANT`,
`user/repo/file.gguf`, `@revision`, a web address. Results are in `protocol/hub.py`.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from wiz_kernel_ext.protocol.requests import Request

ContextSize = Annotated[int, Meta(ge=8)]
AliasName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\Z", max_length=64)]


class SearchHub(Request, frozen=True, kw_only=True):
    """Repositories with GGUF files; with `fits`, those with a model that runs on this machine."""

    target: ClassVar[str] = "hub:search"
    text: str
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    fits: bool = False
    context_size: ContextSize | None = None


class ListRepo(Request, frozen=True, kw_only=True):
    """A repository's models, with quant, size and whether they fit."""

    target: ClassVar[str] = "hub:listRepo"
    repo: str
    context_size: ContextSize | None = None


class Inspect(Request, frozen=True, kw_only=True):
    """What a GGUF says of itself, here or on the hub, read without loading it."""

    target: ClassVar[str] = "hub:inspect"
    model: str
    context_size: ContextSize | None = None


class PullModel(Request, frozen=True, kw_only=True):
    """Download a model by its name, all its parts; an operation that ends in its path.

    One that is here is not fetched again, unless `update` asks for what the hub has now.
    `limit_bytes_per_s` bounds the speed.
    """

    target: ClassVar[str] = "hub:pull"
    model: str
    update: bool = False
    limit_bytes_per_s: Annotated[float, Meta(gt=0)] | None = None


class ListModels(Request, frozen=True, kw_only=True):
    """The models on this machine; with `check`, whether the hub has newer ones."""

    target: ClassVar[str] = "hub:listModels"
    check: bool = False


class RemoveModel(Request, frozen=True, kw_only=True):
    """Delete a model's files; with `only_ask`, just what that would free.

    Refused while the model is loaded, and for files that belong to another tool.
    """

    target: ClassVar[str] = "hub:removeModel"
    model: str
    only_ask: bool = False


class VerifyModel(Request, frozen=True, kw_only=True):
    """Compare a model's files with the sha256 they should have; an operation."""

    target: ClassVar[str] = "hub:verify"
    model: str


class ConvertModel(Request, frozen=True, kw_only=True):
    """Make a GGUF of a safetensors checkpoint, a folder or a repository; ends in its path.

    `llama_cpp` is a llama.cpp checkout whose converter is to do it instead of ours.
    """

    target: ClassVar[str] = "hub:convert"
    source: str
    out_type: Literal["f32", "f16", "bf16", "q8_0"] = "bf16"
    output: str | None = None
    llama_cpp: str | None = None
    overwrite: bool = False


class QuantizeModel(Request, frozen=True, kw_only=True):
    """Make a smaller GGUF of a large one; an operation that ends in its path."""

    target: ClassVar[str] = "hub:quantize"
    model: str
    quant: str
    output: str | None = None
    overwrite: bool = False


class ListAliases(Request, frozen=True, kw_only=True):
    """The user's names for models, and the default."""

    target: ClassVar[str] = "hub:listAliases"


class SetAlias(Request, frozen=True, kw_only=True):
    """Call `model` by a short name; without a model the name is given up."""

    target: ClassVar[str] = "hub:setAlias"
    alias: AliasName
    model: str | None = None


class SetDefaultModel(Request, frozen=True, kw_only=True):
    """The model that is meant where none is named; None: none."""

    target: ClassVar[str] = "hub:setDefaultModel"
    model: str | None = None


class ListCollections(Request, frozen=True, kw_only=True):
    """The named collections of models; with `refresh`, read again from their sources."""

    target: ClassVar[str] = "hub:listCollections"
    refresh: bool = False


class AddCollection(Request, frozen=True, kw_only=True):
    """Keep a collection: `source` is a file of names, or a collection's address on the hub."""

    target: ClassVar[str] = "hub:addCollection"
    name: AliasName
    source: str


class RemoveCollection(Request, frozen=True, kw_only=True):
    """Forget a collection; its models stay."""

    target: ClassVar[str] = "hub:removeCollection"
    name: AliasName


HUB_REQUESTS: tuple[type[Request], ...] = (
    SearchHub,
    ListRepo,
    Inspect,
    PullModel,
    ListModels,
    RemoveModel,
    VerifyModel,
    ConvertModel,
    QuantizeModel,
    ListAliases,
    SetAlias,
    SetDefaultModel,
    ListCollections,
    AddCollection,
    RemoveCollection,
)
