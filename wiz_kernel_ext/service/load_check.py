"""Whether a load can be what was asked for: sums on the file's header, before anything is started.

The same estimate that the downloader shows (`models/fit.py`). Knows files and memory, not workers.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from msgspec import structs

from wiz_kernel_ext.cgroups import Room
from wiz_kernel_ext.engine_check.build import engine_build
from wiz_kernel_ext.errors import BadRequest, EngineUnusable, NotEnoughMemory
from wiz_kernel_ext.free_memory import rooms
from wiz_kernel_ext.gguf_file.kinds import refuse_other_kinds
from wiz_kernel_ext.gguf_file.shape import model_shape
from wiz_kernel_ext.models.fit import Use, estimate, together, verdict
from wiz_kernel_ext.models.headers import files_bytes, header_of
from wiz_kernel_ext.models.machine import Machine, this_machine
from wiz_kernel_ext.protocol.events import Notice
from wiz_kernel_ext.protocol.hub import Fit
from wiz_kernel_ext.protocol.requests import CreateContext
from wiz_kernel_ext.sizes import size

_SMALLEST_CONTEXT = 256
_WHERE = {"memory": "", "cgroup": " within this container's limit"}


class LoadCheck:
    """What a load would take, by its file's header. Reads files: not for an event loop."""

    def __init__(
        self,
        machine: Callable[[], Machine] = this_machine,
        has_card: Callable[[], bool] | None = None,
        measure: Callable[[], list[Room]] = rooms,
    ) -> None:
        self._machine = machine
        self._measure = measure
        self._has_card = has_card or _built_for_a_card

    def fit(self, path: Path, context: CreateContext, draft: Path | None = None) -> Fit:
        """What loading `path` with `context` would take of this machine now, with `draft` beside.

        Raises GgufInvalid, ModelLoadFailed for what is no language model, ModelFileNotFound.
        """
        header = header_of(path)
        refuse_other_kinds(path.name, header)
        machine, use = self._machine(), Use.asked(context)
        fit = estimate(header, machine, use, files_bytes=files_bytes(path))
        if draft is None:
            return fit
        drafting = header_of(draft)
        refuse_other_kinds(draft.name, drafting)
        use = replace(use, context_size=fit.context_size)
        return together(
            fit, estimate(drafting, machine, use, files_bytes=files_bytes(draft)), machine
        )

    def refuse_too_large(
        self, path: Path, context: CreateContext, fit: Fit, *, anyway: bool | None = None
    ) -> None:
        """Raise BadRequest where the context alone is more than the memory there is.

        Weights may be more: they are mapped, and read again from the disk. `anyway`: what others
        hold counts as well; None where nobody can be asked that. On a machine whose engine computes
        on a card, that card's memory is unknown here, and its library judges.
        """
        needed = _needs_besides_weights(fit)
        most = fit.available_bytes
        if anyway:
            most = max(most, min(room.limit_bytes for room in self._measure()))
        if needed <= most or self._has_card():
            return
        largest = self._largest_context(path, context, fit)
        what = f"A context of {fit.context_size:,} tokens for {path.name}"
        if context.sequences is not None:
            what += f" in {context.sequences} sequences"
        hint = (
            f"At most {largest} tokens fit now (`--ctx {largest}`)."
            if largest
            else "Unload other models or close other programs: nothing fits now."
        )
        if anyway is False:
            hint += f" `wiz load {shlex.quote(str(path))} --anyway` loads it all the same."
        raise BadRequest(
            f"{what} takes {size(needed)} of memory besides the model; "
            + (f"there are {size(most)} in all." if anyway else f"{size(most)} are free."),
            hint=hint,
            field="contextSize",
            needed_bytes=fit.least_bytes,
            available_bytes=fit.available_bytes,
        )

    def refuse_too_big(
        self, name: str, fit: Fit, *, path: Path | None = None, context: CreateContext
    ) -> None:
        """Raise NotEnoughMemory where the model as a whole is more than the memory there is.

        `path` is its file, where it is here. A card's memory is unknown here, as above.
        """
        if fit.verdict != "too big" or self._has_card():
            return
        command = f"wiz load {shlex.quote(str(path) if path else name)}"
        largest = self._largest_context(path, context, fit) if path else 0
        smaller = (
            f"With a smaller context it fits: `{command} --ctx {largest}`."
            if 0 < largest < fit.context_size
            else "Take a smaller file (another quantization), unload other models or close other "
            "programs."
        )
        raise NotEnoughMemory(
            f"{name} is not loaded: it takes {size(fit.least_bytes)} of memory, and "
            f"{size(fit.available_bytes)} are free{_WHERE[fit.limit]}. The system would end "
            "processes, or read the model from the disk again for each token.",
            hint=f"{smaller} `{command} --anyway` loads it all the same.",
            needed_bytes=fit.least_bytes,
            available_bytes=fit.available_bytes,
        )

    def _largest_context(self, path: Path, context: CreateContext, fit: Fit) -> int:
        """The most tokens of context that fit, as a power of two; 0 for none."""
        machine = replace(self._machine(), available_bytes=fit.available_bytes)
        header, use = header_of(path), Use.asked(context)
        most = min(fit.context_size, model_shape(header).n_ctx_train or fit.context_size)
        n_tokens = 1 << (most.bit_length() - 1)
        while n_tokens >= _SMALLEST_CONTEXT:
            if estimate(header, machine, replace(use, context_size=n_tokens)).verdict != "too big":
                return n_tokens
            n_tokens //= 2
        return 0


def with_room(fit: Fit, given_back_bytes: int) -> Fit:
    """`fit` where so much more memory is free."""
    available = fit.available_bytes + given_back_bytes
    return structs.replace(
        fit,
        available_bytes=available,
        verdict=verdict(fit.needed_bytes, fit.least_bytes, available),
    )


def too_big(name: str, fit: Fit) -> Notice:
    """What the asker should know of a model that is larger than the memory there is."""
    return Notice(
        text=f"{name} may not run here: it needs {size(fit.least_bytes)} of memory, and "
        f"{size(fit.available_bytes)} are free."
    )


def _needs_besides_weights(fit: Fit) -> int:
    return fit.kv_bytes + fit.compute_bytes + fit.other_bytes


def _built_for_a_card() -> bool:
    try:
        return bool(engine_build().cards())
    except EngineUnusable:
        return False
