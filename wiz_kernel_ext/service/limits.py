"""Loads and contexts kept within the machine's limits (`configuration/limits.py`).

What was asked for and is beyond them is refused; what was left open is made to fit them. Pure but
for the count of cores.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from wiz_kernel_ext.configuration.limits import Limits
from wiz_kernel_ext.engine.threads import default_threads
from wiz_kernel_ext.protocol.context_defaults import SEQUENCES, context_size_for
from wiz_kernel_ext.protocol.requests import CreateContext, LoadModel
from wiz_kernel_ext.protocol.results import ModelInfo
from wiz_kernel_ext.sizes import size

_ASKED = {
    "context_size": "The context, in tokens",
    "sequences": "The number of sequences",
    "threads": "The number of threads",
}


def check_load(
    limits: Limits, path: Path, load: LoadModel, context: CreateContext | None = None
) -> None:
    """Raise LimitExceeded for a model or a number that is not allowed. Resolves links."""
    for one in (path, load.draft, load.projector):
        if one is not None:
            limits.check_model(Path(one))
    limits.check_number("max_keep_alive_s", load.keep_alive_s, "The keep-alive, in seconds")
    if context is not None:
        check_context(limits, context)


def check_context(limits: Limits, context: CreateContext) -> None:
    """Raise LimitExceeded for a number that is not allowed."""
    for name, what in _ASKED.items():
        limits.check_number(f"max_{name}", getattr(context, name), what)


def lowered(
    limits: Limits, load: LoadModel, context: CreateContext | None
) -> tuple[LoadModel, CreateContext | None]:
    """What was asked for once, without the numbers that are too much by now."""
    if limits.is_exceeded("max_keep_alive_s", load.keep_alive_s):
        load = replace(load, keep_alive_s=None)
    if context is not None:
        context = replace(context, **dict.fromkeys(_too_much(limits, context)))
    return load, context


def _too_much(limits: Limits, context: CreateContext) -> list[str]:
    return [name for name in _ASKED if limits.is_exceeded(f"max_{name}", getattr(context, name))]


def context_within(limits: Limits, request: CreateContext, model: ModelInfo) -> CreateContext:
    """`request`, what it leaves open being set where the default is too much.

    Raises LimitExceeded for what it asks.
    """
    check_context(limits, request)
    defaults: dict[str, Callable[[], int]] = {
        "context_size": lambda: context_size_for(None, model.n_ctx_train),
        "sequences": lambda: SEQUENCES,
        "threads": lambda: default_threads(model.n_params),
    }
    lowered = {}
    for name, default in defaults.items():
        limit: int | None = getattr(limits, f"max_{name}")
        if limit is not None and getattr(request, name) is None and default() > limit:
            lowered[name] = limit
    return replace(request, **lowered)


def check_memory(limits: Limits, name: str, needed_bytes: int, used_bytes: int) -> None:
    """Raise LimitExceeded where a model would take what all of them may have together."""
    most = limits.max_memory_bytes
    if most is not None and used_bytes + needed_bytes > most:
        besides = f" besides the {size(used_bytes)} of others" if used_bytes else ""
        raise limits.exceeded(
            "max_memory_gb",
            f"{name} needs {size(needed_bytes)} of memory{besides}: more than {size(most)}, the "
            "most here.",
        )
