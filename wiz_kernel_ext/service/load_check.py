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
from wiz_kernel_ext.gguf_file.kinds import refuse_other_kinds, refuse_readers
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

        Raises GgufInvalid, ModelLoadFailed for what is no model of texts, ModelFileNotFound.
        """
        refuse_other_kinds(path.name, header_of(path))
        if draft is not None:
            refuse_other_kinds(draft.name, header_of(draft))
            refuse_readers(draft.name, header_of(draft))
        return _fit_of(path, draft, self._machine(), Use.asked(context))

    def refuse_too_large(
        self,
        path: Path,
        context: CreateContext,
        fit: Fit,
        *,
        draft: Path | None = None,
        anyway: bool | None = None,
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
        largest = self._largest_context(path, draft, context, fit)
        what = f"A context of {fit.context_size:,} tokens for {_named(path.name, draft)}"
        if context.sequences is not None:
            what += f" in {context.sequences} sequences"
        hint = (
            f"At most {largest} tokens fit now (`--ctx {largest}`)."
            if largest
            else "Unload other models or close other programs: nothing fits now."
        )
        if anyway is False:
            hint += f" `{_command(str(path), draft)} --anyway` loads it all the same."
        raise BadRequest(
            f"{what} takes {size(needed)} of memory besides the {_models(draft)}; "
            + (f"there are {size(most)} in all." if anyway else f"{size(most)} are free."),
            hint=hint,
            field="contextSize",
            needed_bytes=fit.least_bytes,
            available_bytes=fit.available_bytes,
        )

    def refuse_too_big(
        self,
        name: str,
        fit: Fit,
        *,
        path: Path | None = None,
        draft: Path | None = None,
        context: CreateContext,
    ) -> None:
        """Raise NotEnoughMemory where the model as a whole is more than the memory there is.

        `path` is its file, where it is here; `draft` is counted in `fit`. A card's memory is
        unknown here, as above.
        """
        if fit.verdict != "too big" or self._has_card():
            return
        command = _command(str(path) if path else name, draft)
        largest = self._largest_context(path, draft, context, fit) if path else 0
        if path and draft and _fits(path, None, context, self._left(fit)):
            smaller = f"Without the draft it fits: `{_command(str(path), None)}`."
        elif 0 < largest < fit.context_size:
            smaller = f"With a smaller context it fits: `{command} --ctx {largest}`."
        else:
            smaller = (
                "Take a smaller file (another quantization), unload other models or close other "
                "programs."
            )
        raise NotEnoughMemory(
            f"{_named(name, draft)} is not loaded: it takes {size(fit.least_bytes)} of memory, and "
            f"{size(fit.available_bytes)} are free{_WHERE[fit.limit]}. The system would end "
            "processes, or read the model from the disk again for each token.",
            hint=f"{smaller} `{command} --anyway` loads it all the same.",
            needed_bytes=fit.least_bytes,
            available_bytes=fit.available_bytes,
        )

    def _largest_context(
        self, path: Path, draft: Path | None, context: CreateContext, fit: Fit
    ) -> int:
        """The most tokens of context that fit, as a power of two; 0 for none."""
        n_ctx_train = model_shape(header_of(path)).n_ctx_train
        most = min(fit.context_size, n_ctx_train or fit.context_size)
        machine, n_tokens = self._left(fit), 1 << (most.bit_length() - 1)
        while n_tokens >= _SMALLEST_CONTEXT:
            if _fits(path, draft, structs.replace(context, context_size=n_tokens), machine):
                return n_tokens
            n_tokens //= 2
        return 0

    def _left(self, fit: Fit) -> Machine:
        """The machine with what is free for `fit`."""
        return replace(self._machine(), available_bytes=fit.available_bytes)


def _fits(path: Path, draft: Path | None, context: CreateContext, machine: Machine) -> bool:
    return _fit_of(path, draft, machine, Use.asked(context)).verdict != "too big"


def _fit_of(path: Path, draft: Path | None, machine: Machine, use: Use) -> Fit:
    fit = estimate(header_of(path), machine, use, files_bytes=files_bytes(path))
    if draft is None:
        return fit
    use = replace(use, context_size=fit.context_size)
    beside = estimate(header_of(draft), machine, use, files_bytes=files_bytes(draft))
    return together(fit, beside, machine)


def _named(name: str, draft: Path | None) -> str:
    return f"{name} with the draft {draft.name}" if draft else name


def _models(draft: Path | None) -> str:
    return "models" if draft else "model"


def _command(name: str, draft: Path | None) -> str:
    command = f"wiz load {shlex.quote(name)}"
    return f"{command} --draft {shlex.quote(str(draft))}" if draft else command


def with_room(fit: Fit, given_back_bytes: int) -> Fit:
    """`fit` where so much more memory is free."""
    available = fit.available_bytes + given_back_bytes
    return structs.replace(
        fit,
        available_bytes=available,
        verdict=verdict(fit.needed_bytes, fit.least_bytes, available),
    )


def too_big(name: str, fit: Fit, draft: Path | None = None) -> Notice:
    """What the asker should know of a model that is larger than the memory there is."""
    return Notice(
        text=f"{_named(name, draft)} may not run here: it needs {size(fit.least_bytes)} of memory, "
        f"and {size(fit.available_bytes)} are free."
    )


def _needs_besides_weights(fit: Fit) -> int:
    return fit.kv_bytes + fit.compute_bytes + fit.other_bytes


def _built_for_a_card() -> bool:
    try:
        return bool(engine_build().cards())
    except EngineUnusable:
        return False
