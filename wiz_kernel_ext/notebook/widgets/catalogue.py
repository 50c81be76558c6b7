"""Models as the downloader shows them: on the hub and on this machine, as plain values. Pure."""

from __future__ import annotations

import time
from typing import Any

from wiz_kernel_ext.commands.model_tables import (
    CONVERT_BYTES_PER_S,
    Q8_0_SHARE,
    convertible,
    without_gguf,
)
from wiz_kernel_ext.commands.numbers import ago, duration, size
from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.models.fit import with_context
from wiz_kernel_ext.models.names import parse_name
from wiz_kernel_ext.protocol.hub import Deletion, Fit, LibraryModel, RepoHit, RepoListing

# Bytes of the GGUF to one of a checkpoint, as those mostly are: two bytes a number.
OUT_TYPES = {"bf16": 1.0, "q8_0": Q8_0_SHARE, "f16": 1.0, "f32": 2.0}
# The context lengths that a model can be held to, in tokens.
CONTEXTS = tuple(2**n for n in range(9, 18))
# Bits a number takes, for the sizes that quantizing is said to give: about, as layers differ.
BITS = {"F32": 32.0, "F16": 16.0, "BF16": 16.0}
QUANTS = {"Q8_0": 8.5, "Q6_K": 6.6, "Q5_K_M": 5.7, "Q4_K_M": 4.9, "Q4_0": 4.6, "IQ4_XS": 4.4}


def named(text: str, host: str = "") -> str | None:
    """The repository that `text` names, or None where it is only something to search for.

    `host` is the hub's own. Raises BadRequest for a web address that is none of a repository.
    """
    try:
        return parse_name(text, hosts=[host]).repo
    except BadRequest:
        if "://" in text:
            raise
        return None


def only_named(repo: str) -> dict[str, Any]:
    """A repository of which no more is known than its name."""
    return {"repo": repo, "facts": "", "gated": False}


def card(hit: RepoHit) -> dict[str, Any]:
    """A repository found."""
    facts = [
        _amount(hit.n_params, "parameters"),
        hit.architecture,
        hit.licence and f"licence {hit.licence}",
        _amount(hit.downloads, "downloads"),
    ]
    return {
        "repo": hit.repo,
        "facts": " · ".join(fact for fact in facts if fact),
        "gated": hit.gated,
    }


def files(listing: RepoListing) -> dict[str, Any]:
    """A repository's models, with how each fits."""
    return {
        "repo": listing.repo,
        "gated": listing.gated,
        "page": listing.page,
        "nothing": without_gguf(listing),
        "convertible": convertible(listing),
        "estimate": f"{size(listing.safetensors_bytes)} to download, then about "
        f"{duration(listing.safetensors_bytes / CONVERT_BYTES_PER_S)} of converting",
        "out_types": [
            {"type": kind, "size": size(listing.safetensors_bytes * share)}
            for kind, share in OUT_TYPES.items()
        ],
        "models": [
            {
                "name": model.name,
                "quant": model.quant or "?",
                "size": size(model.size_bytes),
                "here": model.downloaded,
                "fits": model.fit and fits(model.fit, listing.n_ctx_train),
                "suggested": model.name == listing.suggested,
            }
            for model in listing.models
        ],
    }


def fits(estimate: Fit, trained: int) -> list[dict[str, Any]]:
    """A model against this machine with each of `CONTEXTS`, so that no page needs the rule.

    `note` says where a context is more than the model was `trained` for.
    """
    return [_fit(estimate, context, trained) for context in CONTEXTS]


def _fit(estimate: Fit, context: int, trained: int) -> dict[str, Any]:
    used = min(context, trained) if trained else context
    fit = with_context(estimate, used)
    available = fit.available_bytes
    return {
        "verdict": fit.verdict,
        "share": min(1.0, fit.needed_bytes / available) if available else 1.0,
        "text": f"{size(fit.needed_bytes)} of {size(available)}",
        "note": f"with {used:,} tokens: it was not trained for more" if used < context else "",
    }


def local(model: LibraryModel, now: float | None = None) -> dict[str, Any]:
    """A model on this machine."""
    now = time.time() if now is None else now
    used = ago(model.last_used_at, now) if model.last_used_at else "–"
    return {
        "name": model.name,
        "path": model.path,
        "quant": model.quant,
        "size": size(model.size_bytes),
        "used": used,
        "trained": model.n_ctx_train,
        "aliases": " · ".join([*model.aliases, *(["the default"] if model.is_default else [])]),
        "origin": model.origin,
        "problem": model.problem,
        "from_hub": bool(model.repo),
        "quants": _smaller(model),
    }


def deletion(asked: Deletion) -> dict[str, Any]:
    """What deleting would take away; `path` is what is loaded, if it is."""
    return {
        "name": asked.name,
        "path": asked.files[0] if asked.files else "",
        "files": asked.files,
        "freed": size(asked.freed_bytes),
        "allowed": asked.allowed,
        "reason": asked.reason,
    }


def _smaller(model: LibraryModel) -> list[dict[str, str]]:
    """What it could be quantized to, and about how large that would be."""
    bits = BITS.get(model.quant.upper())
    if bits is None:
        return []
    return [
        {"quant": quant, "size": size(model.size_bytes * now / bits)}
        for quant, now in QUANTS.items()
    ]


def _amount(n: int, noun: str) -> str:
    if not n:
        return ""
    for unit, value in (("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if n >= value:
            return f"{n / value:.1f} {unit} {noun}".replace(".0 ", " ")
    return f"{n} {noun}"
