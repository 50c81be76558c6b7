"""Models as the downloader shows them: on the hub and on this machine, as plain values. Pure."""

from __future__ import annotations

import time
from typing import Any

from wiz_kernel_ext.cli.words import duration, size
from wiz_kernel_ext.protocol.hub import Deletion, Fit, LibraryModel, RepoHit, RepoListing

LEVELS = {"fits": "fits", "tight": "tight", "too big": "too-big", "unknown": "unknown"}


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
        "page": hit.page,
    }


def files(listing: RepoListing) -> dict[str, Any]:
    """A repository's models, with how each fits."""
    return {
        "repo": listing.repo,
        "gated": listing.gated,
        "licence": listing.licence,
        "page": listing.page,
        "convertible": bool(listing.safetensors_bytes and not listing.models),
        "models": [
            {
                "name": model.name,
                "quant": model.quant or "?",
                "size": size(model.size_bytes),
                "here": model.downloaded,
                "fit": None if model.fit is None else fit(model.fit),
                "suggested": model.name == listing.suggested,
            }
            for model in listing.models
        ],
    }


def fit(estimate: Fit) -> dict[str, Any]:
    """A model against this machine; the parts let the page move the bar with the context."""
    fixed = estimate.weights_bytes + estimate.repacked_bytes + estimate.other_bytes
    return {
        "verdict": estimate.verdict,
        "level": LEVELS[estimate.verdict],
        "text": f"needs {size(estimate.needed_bytes)} of {size(estimate.available_bytes)}",
        "context": estimate.context_size,
        "fixed": fixed,
        "least": estimate.least_bytes - estimate.kv_bytes - estimate.compute_bytes,
        "grows": estimate.kv_bytes + estimate.compute_bytes,
        "available": estimate.available_bytes,
    }


def local(model: LibraryModel, now: float | None = None) -> dict[str, Any]:
    """A model on this machine."""
    now = time.time() if now is None else now
    used = f"{duration(max(0.0, now - model.last_used_at))} ago" if model.last_used_at else "–"
    return {
        "name": model.name,
        "path": model.path,
        "quant": model.quant,
        "size": size(model.size_bytes),
        "used": used,
        "origin": model.origin,
        "problem": model.problem,
        "from_hub": bool(model.repo),
    }


def deletion(asked: Deletion) -> dict[str, Any]:
    """What deleting would take away."""
    return {
        "name": asked.name,
        "files": asked.files,
        "freed": size(asked.freed_bytes),
        "allowed": asked.allowed,
        "reason": asked.reason,
    }


def _amount(n: int, noun: str) -> str:
    if not n:
        return ""
    for unit, value in (("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if n >= value:
            return f"{n / value:.1f} {unit} {noun}".replace(".0 ", " ")
    return f"{n} {noun}"
