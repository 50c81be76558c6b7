"""Results about models: on the hub, on disk, and whether they fit this machine.

Sizes are in bytes, times in seconds since the epoch, contexts in tokens. `name` is always one that
can be given back: to load, to download, to inspect.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from wiz_kernel_ext.protocol.results import ModelKind, Result

Verdict = Literal["fits", "tight", "too big", "unknown"]
FitBasis = Literal["measured", "header", "size"]
Origin = Literal["demo", "hub", "models", "lm-studio", "llama.cpp", "ollama", "path"]
"""Whose place a model lies in; "path": none's, it was loaded by its path."""


class Fit(Result, frozen=True, kw_only=True):
    """Whether a model runs here, and the numbers that say so.

    `needed_bytes` is the sum of the parts; `least_bytes` is without what the system can drop
    again. `basis` says what the numbers come from: the engine itself ("measured"), the file's
    header, or only its size. `limit` names what `available_bytes` is bounded by.
    """

    verdict: Verdict
    basis: FitBasis = "header"
    context_size: int = 0
    weights_bytes: int = 0
    repacked_bytes: int = 0
    kv_bytes: int = 0
    compute_bytes: int = 0
    other_bytes: int = 0
    needed_bytes: int = 0
    least_bytes: int = 0
    available_bytes: int = 0
    limit: Literal["memory", "cgroup"] = "memory"


class RepoFile(Result, frozen=True, kw_only=True):
    """A file of a repository; `sha256` is empty where the hub does not tell."""

    path: str
    size_bytes: int = 0
    sha256: str = ""


class RepoModel(Result, frozen=True, kw_only=True):
    """One model of a repository: one file, or the parts of a split one in order."""

    name: str
    repo: str
    quant: str
    files: list[RepoFile]
    size_bytes: int
    downloaded: bool = False
    fit: Fit | None = None


class SkippedFile(Result, frozen=True, kw_only=True):
    """A GGUF that is no model by itself, and why: "mmproj", "lora", "incomplete" and so on."""

    path: str
    why: str
    size_bytes: int = 0


class RepoListing(Result, frozen=True, kw_only=True):
    """A repository's models at one commit.

    `safetensors_bytes` is what could be converted where there is no GGUF, `not_convertible` why it
    can not. `suggested` is the name
    that `user/repo` alone means, None where that would be a guess. `n_ctx_train` is the context
    its models were trained for, 0 where no header told. `from_cache`: the hub was not asked, and
    there may be more.
    """

    repo: str
    revision: str
    commit: str
    models: list[RepoModel]
    suggested: str | None = None
    skipped: list[SkippedFile] = msgspec.field(default_factory=list)
    safetensors_bytes: int = 0
    has_config: bool = False
    not_convertible: str = ""
    n_ctx_train: int = 0
    gated: bool = False
    private: bool = False
    licence: str = ""
    page: str = ""
    from_cache: bool = False


class RepoHit(Result, frozen=True, kw_only=True):
    """A repository found by a search; counts are 0 and texts empty where the hub does not tell.

    `from_cache`: found on this machine, in offline mode.
    """

    repo: str
    downloads: int = 0
    likes: int = 0
    n_params: int = 0
    licence: str = ""
    gated: bool = False
    architecture: str = ""
    n_ctx_train: int = 0
    updated_at: float = 0.0
    models: list[RepoModel] = msgspec.field(default_factory=list)
    page: str = ""
    from_cache: bool = False


class TensorSummary(Result, frozen=True, kw_only=True):
    """The tensors of one type."""

    type: str
    count: int
    size_bytes: int


class Inspection(Result, frozen=True, kw_only=True):
    """What a GGUF says of itself, read without loading it.

    `metadata` has every key; long arrays are there as a text like "string[151936]".
    `path` is empty for a file that is not on this machine. `problem` says what a file is that is
    no model of texts; such a one has no `fit`. One whose `kind` is not "text" cannot answer.
    """

    name: str
    path: str = ""
    size_bytes: int = 0
    title: str = ""
    architecture: str = ""
    quant: str = ""
    n_params: int = 0
    n_layers: int = 0
    n_ctx_train: int = 0
    n_embd: int = 0
    n_heads: int = 0
    n_vocab: int = 0
    n_experts: int = 0
    n_tensors: int = 0
    n_parts: int = 1
    tensors: list[TensorSummary] = msgspec.field(default_factory=list)
    tokenizer: str = ""
    special_tokens: dict[str, int] = msgspec.field(default_factory=dict)
    chat_template: str | None = None
    kind: ModelKind = "text"
    licence: str = ""
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    fit: Fit | None = None
    problem: str = ""


class LibraryModel(Result, frozen=True, kw_only=True):
    """A model on this machine; `path` is what to load (the first part of a split one).

    `newer` says whether the hub has another file under that name now; None: not asked, or not from
    a hub. `aliases` are the user's names for it.
    """

    name: str
    path: str
    origin: Origin
    size_bytes: int = 0
    n_files: int = 1
    quant: str = ""
    architecture: str = ""
    n_ctx_train: int = 0
    n_params: int = 0
    repo: str | None = None
    revision: str | None = None
    commit: str | None = None
    last_used_at: float = 0.0
    aliases: list[str] = msgspec.field(default_factory=list)
    is_default: bool = False
    newer: bool | None = None
    problem: str = ""


class Deletion(Result, frozen=True, kw_only=True):
    """What deleting a model would take away, or took; `freed_bytes` is on disk.

    `reason` says why it is not ours to delete, where it is not.
    """

    name: str
    files: list[str]
    freed_bytes: int = 0
    allowed: bool = True
    reason: str = ""


class Verification(Result, frozen=True, kw_only=True):
    """A model's files compared with the sha256 they should have; `checked` counts those known."""

    name: str
    checked: int
    bad: list[str] = msgspec.field(default_factory=list)
    unknown: list[str] = msgspec.field(default_factory=list)


class Aliases(Result, frozen=True, kw_only=True):
    """The user's names, and what each stands for; `default` is what no name stands for."""

    aliases: dict[str, str]
    default: str | None = None


class Collection(Result, frozen=True, kw_only=True):
    """A named list of models that a team keeps, in a file or as a collection on the hub."""

    name: str
    source: str
    models: list[str] = msgspec.field(default_factory=list)
    refreshed_at: float = 0.0
    problem: str = ""
