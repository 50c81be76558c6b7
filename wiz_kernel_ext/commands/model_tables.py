"""Models as tables and lines: found, here, looked into, fitting or not.

Pure: a result in, rows of text out. Times shown are relative to `now`, seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from wiz_kernel_ext.commands.numbers import ago, count, duration, shortened, size
from wiz_kernel_ext.commands.service_tables import Table
from wiz_kernel_ext.errors import AmbiguousModel
from wiz_kernel_ext.protocol.hub import (
    Aliases,
    Collection,
    Deletion,
    Fit,
    LibraryModel,
    RepoHit,
    RepoListing,
    RepoModel,
    Verification,
)
from wiz_kernel_ext.remedies import worded

ORIGINS = {
    "demo": "bundled",
    "hub": "hub cache",
    "models": "models directory",
    "path": "loaded by its path",
}
RUNS = ("fits", "tight")
CONVERT_BYTES_PER_S = 100e6
Q8_0_SHARE = 0.53


def hit_table(hits: Sequence[RepoHit], *, fits: bool) -> Table:
    """Repositories found; with `fits`, also the largest model of each that runs here."""
    columns: tuple[str, ...] = (
        "repository",
        "downloads",
        "likes",
        "parameters",
        "licence",
        "access",
    )
    rows = [
        (
            hit.repo,
            short_count(hit.downloads),
            short_count(hit.likes),
            short_count(hit.n_params) if hit.n_params else "-",
            hit.licence or "-",
            "here" if hit.from_cache else "gated" if hit.gated else "open",
            *(_largest(hit.models) if fits else ()),
        )
        for hit in hits
    ]
    if fits:
        columns += ("largest that runs", "size", "verdict")
    nothing = "No repository was found" + (" with a model that fits." if fits else ".")
    return Table("Repositories with GGUF models", columns, rows, nothing)


def listing_tables(listing: RepoListing, *, fits: bool = False) -> list[Table]:
    """A repository's models (with `fits`, those that run here), and its GGUFs that are none."""
    models = running(listing).models if fits else listing.models
    rows = [
        (
            model.name + (" *" if model.name == listing.suggested else ""),
            model.quant or "-",
            size(model.size_bytes),
            *_verdict(model.fit),
            "here" if model.downloaded else "",
        )
        for model in models
    ]
    star = f"* is what {listing.repo} alone means" if listing.suggested else ""
    room = next((_room(model.fit) for model in listing.models if model.fit), "")
    caption = " · ".join(part for part in ("Models", room, star) if part)
    columns = ("name", "quant", "size", "verdict", "needs", "")
    nothing = f"No model in {listing.repo} fits." if listing.models else _instead(listing)
    tables = [Table(caption, columns, rows, nothing)]
    if listing.skipped:
        others = [(file.path, size(file.size_bytes), file.why) for file in listing.skipped]
        tables.append(Table("No models by themselves", ("file", "size", "why"), others, ""))
    return tables


def listing_line(listing: RepoListing) -> str:
    """A repository in one line."""
    access = "gated" if listing.gated else "private" if listing.private else ""
    place = "only what is here: the hub was not asked" if listing.from_cache else listing.page
    parts = [listing.repo, f"commit {listing.commit[:8]}", listing.licence, access, place]
    return " · ".join(part for part in parts if part)


def running(listing: RepoListing) -> RepoListing:
    """`listing` with the models that run here."""
    models = [model for model in listing.models if model.fit and model.fit.verdict in RUNS]
    return msgspec.structs.replace(listing, models=models)


def without_gguf(listing: RepoListing) -> str:
    """What a repository without a GGUF has instead."""
    if listing.not_convertible and listing.safetensors_bytes:
        return (
            f"{listing.repo} has no GGUF model, and its safetensors checkpoint cannot be converted:"
            f" {listing.not_convertible}."
        )
    if not convertible(listing):
        return f"{listing.repo} has no GGUF model."
    return (
        f"{listing.repo} has no GGUF model, but a safetensors checkpoint "
        f"({size(listing.safetensors_bytes)}) that can be converted."
    )


def _instead(listing: RepoListing) -> str:
    what = without_gguf(listing)
    if not convertible(listing):
        return what
    return f"{what}\n{worded(f'`wiz convert {listing.repo}`')}: {conversion_estimate(listing)}."


def convertible(listing: RepoListing) -> bool:
    """Whether a repository has a checkpoint that can be converted, and no GGUF."""
    has_checkpoint = listing.has_config and listing.safetensors_bytes > 0
    return has_checkpoint and not listing.models and not listing.not_convertible


def conversion_estimate(listing: RepoListing) -> str:
    """What converting would take, as checkpoints mostly are: two bytes a number."""
    n_bytes = listing.safetensors_bytes
    return (
        f"{size(n_bytes)} to download, then about {duration(2 + n_bytes / CONVERT_BYTES_PER_S)}; "
        f"the GGUF takes about {size(n_bytes)} (bf16) or {size(n_bytes * Q8_0_SHARE)} (q8_0)"
    )


def library_table(models: Sequence[LibraryModel], now: float) -> Table:
    """The models on this machine."""
    rows = [
        (
            model.name,
            model.quant or "-",
            size(model.size_bytes),
            model.architecture or "-",
            str(model.n_ctx_train or "-"),
            _ago(model.last_used_at, now),
            ORIGINS.get(model.origin, model.origin),
            ", ".join([*model.aliases, *(["default"] if model.is_default else [])]),
            _remark(model),
        )
        for model in models
    ]
    columns = (
        "model", "quant", "size", "architecture", "context", "used", "where", "called", "",
    )  # fmt: skip
    total = size(sum(model.size_bytes for model in models))
    return Table(f"Models on this machine: {total}", columns, rows, "No model is here yet.")


def alias_table(known: Aliases) -> Table:
    """The user's names."""
    rows = [(name, model) for name, model in sorted(known.aliases.items())]
    if known.default is not None:
        rows.append(("(default)", known.default))
    return Table("Names", ("name", "stands for"), rows, "There is no alias and no default yet.")


def collection_tables(collections: Sequence[Collection], now: float) -> list[Table]:
    """The collections, and the models of each."""
    rows = [
        (
            one.name,
            count(len(one.models), "model"),
            one.source,
            _ago(one.refreshed_at, now),
            shortened(one.problem, 80),
        )
        for one in collections
    ]
    columns = ("collection", "has", "source", "read", "")
    tables = [Table("Collections", columns, rows, "There is no collection yet.")]
    for one in collections:
        names = [(name,) for name in one.models]
        tables.append(Table(one.name, ("model",), names, f"{one.name} is empty."))
    return tables


def choice_table(choices: Sequence[Mapping[str, Any]]) -> Table:
    """The models that a name could mean (`AmbiguousModel`'s choices)."""
    rows = [
        (
            str(choice.get("name", "")),
            str(choice.get("quant") or "-"),
            size(float(choice.get("sizeBytes") or 0)),
            str(choice.get("fit") or "-"),
        )
        for choice in choices
    ]
    return Table("It could be", ("name", "quant", "size", "verdict"), rows, "")


def chosen_from_table(error: AmbiguousModel) -> AmbiguousModel:
    """`error` where its choices are shown as a table beside it."""
    choices = error.details.get("choices") or []
    hint = f"Name one of them, like {choices[0]['name']}." if choices else error.info().hint
    return AmbiguousModel(error.message, hint=hint, **error.details)


def fit_line(fit: Fit) -> str:
    """Whether a model runs here, with the numbers."""
    limit = "this container's limit" if fit.limit == "cgroup" else "memory"
    parts = [
        f"{name} {size(n_bytes)}"
        for name, n_bytes in (
            ("weights", fit.weights_bytes),
            ("repacked", fit.repacked_bytes),
            ("KV cache", fit.kv_bytes),
            ("compute", fit.compute_bytes),
            ("other", fit.other_bytes),
        )
        if n_bytes
    ]
    basis = {"measured": "measured", "header": "from its header", "size": "by its size"}
    return (
        f"{fit.verdict}: needs {size(fit.needed_bytes)} of {size(fit.available_bytes)} "
        f"available ({limit}) for a context of {fit.context_size} ({', '.join(parts)}; "
        f"{basis[fit.basis]})"
    )


def deletion_line(deletion: Deletion, *, done: bool = False) -> str:
    """What deleting frees, or freed."""
    files = count(len(deletion.files), "file")
    if done:
        return f"{deletion.name} deleted: {files}, {size(deletion.freed_bytes)} freed."
    return f"{deletion.name}: deleting {files} frees {size(deletion.freed_bytes)}."


def file_table(files: Sequence[str]) -> Table:
    """Files by their paths."""
    return Table("Files", ("path",), [(path,) for path in files], "")


def verification_line(found: Verification) -> str:
    """What a verification of a model that is well found."""
    if found.checked == 0:
        return f"{found.name}: complete in length; it came from no hub, so no sha256 is known."
    rest = f" (no sha256 is known of {len(found.unknown)} more)" if found.unknown else ""
    return f"{found.name}: {count(found.checked, 'file')} as the hub promised{rest}."


def short_count(n: int) -> str:
    """1234567 as "1.2M"."""
    for limit, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if n >= limit:
            return f"{n / limit:.1f}{unit}"
    return str(n)


def _largest(models: Sequence[RepoModel]) -> tuple[str, str, str]:
    running = [model for model in models if model.fit and model.fit.verdict in RUNS]
    if not running:
        return ("-", "-", "-")
    best = max(running, key=lambda model: model.size_bytes)
    return best.name, size(best.size_bytes), best.fit.verdict if best.fit else "-"


def _verdict(fit: Fit | None) -> tuple[str, str]:
    return ("-", "-") if fit is None else (fit.verdict, size(fit.needed_bytes))


def _room(fit: Fit | None) -> str:
    if fit is None:
        return ""
    return f"{size(fit.available_bytes)} available, context {fit.context_size}"


def _ago(at: float, now: float) -> str:
    return ago(at, now) if at else "never"


def _remark(model: LibraryModel) -> str:
    if model.problem:
        return shortened(model.problem, 60)
    return (
        ""
        if model.newer is None
        else "newer on the hub (pull --update)"
        if model.newer
        else "up to date"
    )
