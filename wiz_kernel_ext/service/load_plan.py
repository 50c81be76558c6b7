"""What a load would do, worked out and not done: how much goes where, what is chosen, and why.

The same sums and rules as a load's: `models/placement.py`, `LoadCheck`, `context_defaults`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from msgspec import structs

from wiz_kernel_ext.configuration.limits import Limits
from wiz_kernel_ext.engine.threads import TINY_PARAMS, default_threads
from wiz_kernel_ext.engine.way import Way
from wiz_kernel_ext.errors import BadRequest, NotEnoughMemory
from wiz_kernel_ext.gguf_file.shape import ModelShape, model_shape
from wiz_kernel_ext.models.devices import devices_here
from wiz_kernel_ext.models.fit import (
    PROCESS_BYTES,
    Use,
    compute_bytes,
    kv_bytes,
    measured,
    together,
    verdict,
)
from wiz_kernel_ext.models.headers import header_of
from wiz_kernel_ext.models.machine import Machine
from wiz_kernel_ext.models.placement import Placement, Share, layers_asked, place_file
from wiz_kernel_ext.models.rehearsal import rehearse
from wiz_kernel_ext.protocol.context_defaults import batch_size_for
from wiz_kernel_ext.protocol.devices import Device, cards
from wiz_kernel_ext.protocol.hub import Fit
from wiz_kernel_ext.protocol.load_plan import DevicePart, LoadPlan, Setting
from wiz_kernel_ext.protocol.requests import CreateContext, LoadModel
from wiz_kernel_ext.service.limits import check_load
from wiz_kernel_ext.service.load_check import LoadCheck, with_room

ASKED, DEFAULT = "asked for", "the default"
_GIVES_WAY = "Models that are not in use would be unloaded to make room."


@dataclass(frozen=True)
class LoadPlanner:
    """Works plans out.

    `way` says how the engine is used here, `devices` what it computes on, `room_bytes` what models
    that are not in use would give back; `measure` asks the engine what it would take.
    """

    check: LoadCheck
    limits: Callable[[], Limits]
    room_bytes: Callable[[], int]
    way: Callable[[], Awaitable[Way]]
    devices: Callable[[], Awaitable[list[Device]]] = devices_here
    measure: Callable[[Path, Use, int], Awaitable[tuple[int, int] | None]] = rehearse

    async def plan(self, path: Path, load: LoadModel, context: CreateContext) -> LoadPlan:
        """How `path` would be loaded and its context made, and why.

        Raises what a load would that asking for less does not mend: GgufInvalid, ModelLoadFailed,
        ModelFileNotFound, LimitExceeded, EngineUnusable, WorkerDied.
        """
        limits = await asyncio.to_thread(self.limits)
        await asyncio.to_thread(check_load, limits, path, load, context)
        draft = Path(load.draft) if load.draft else None
        fit = await asyncio.to_thread(self.check.fit, path, context)
        asked = Asked(path, load, context, model_shape(header_of(path)), draft)
        beside = await self._beside(asked, fit.context_size)
        refusal = await asyncio.to_thread(self._refusal, asked, _both(fit, beside))
        way, found = await self.way(), await self.devices()
        usable = cards(found) if way.gpu and load.gpu_layers != 0 else []
        if usable:
            placed = place_file(path, load, context, usable)
            beside = await self._beside(asked, placed.context_size)
            return _on_cards(asked, placed, fit, beside, found, refusal)
        use = Use.asked(context)
        fit = await self._measured(path, use, fit)
        if draft is not None and beside is not None:
            use = replace(use, context_size=fit.context_size)
            beside = await self._measured(draft, use, beside)
        too_big = _both(fit, beside).verdict == "too big"
        gives_way = [_GIVES_WAY] if too_big and not refusal else []
        return _on_processor(asked, fit, beside, found, refusal, gives_way)

    async def _beside(self, asked: Asked, context_size: int) -> Fit | None:
        """What the draft would take on the processor, beside a model with such a context."""
        if asked.draft is None:
            return None
        context = structs.replace(asked.context, context_size=context_size)
        return await asyncio.to_thread(self.check.fit, asked.draft, context)

    async def _measured(self, path: Path, use: Use, fit: Fit) -> Fit:
        """`fit` with the engine's own figures, where it has some."""
        shape = model_shape(header_of(path))
        if shape.n_parts != 1:
            return fit
        figures = await self.measure(path, use, shape.n_ctx_train)
        return measured(fit, *figures, machine=_machine(fit)) if figures else fit

    def _refusal(self, asked: Asked, fit: Fit) -> str:
        """What a load would be refused with, idle models having made room; "" where it is done."""
        fit = with_room(fit, self.room_bytes())
        path, context, draft = asked.path, asked.context, asked.draft
        anyway = asked.load.anyway
        try:
            self.check.refuse_too_large(path, context, fit, draft=draft, anyway=anyway)
            self.check.refuse_too_big(path.name, fit, path=path, draft=draft, context=context)
        except (BadRequest, NotEnoughMemory) as error:
            return f"{error.message} {error.info().hint}"
        return ""


@dataclass(frozen=True)
class Asked:
    """A file and how it is asked for, with another that guesses for it or without."""

    path: Path
    load: LoadModel
    context: CreateContext
    shape: ModelShape
    draft: Path | None = None


def _machine(fit: Fit) -> Machine:
    """The machine that `fit` is for."""
    return Machine(available_bytes=fit.available_bytes, limit=fit.limit)


def _both(fit: Fit, beside: Fit | None) -> Fit:
    return fit if beside is None else together(fit, beside, _machine(fit))


def _on_processor(
    asked: Asked,
    fit: Fit,
    beside: Fit | None,
    found: list[Device],
    refusal: str,
    notices: list[str],
) -> LoadPlan:
    use, n_layers = Use.asked(asked.context), asked.shape.n_layers + 1
    part = _host(
        found,
        n_layers=n_layers,
        weights_bytes=fit.weights_bytes + fit.repacked_bytes,
        kv_bytes=fit.kv_bytes,
        compute_bytes=fit.compute_bytes,
        needed_bytes=fit.needed_bytes,
        free_bytes=fit.available_bytes,
    )
    why = "there is no card" if asked.load.gpu_layers != 0 else ASKED
    both = _both(fit, beside)
    return _plan(
        asked,
        use,
        parts=[part],
        draft_parts=_draft_on_processor(asked, beside, part),
        draft_why="where the model is",
        verdict=both.verdict,
        basis=both.basis,
        layers=Setting(name="layers on cards", value=f"0 of {n_layers}", why=why),
        on_card=False,
        notices=notices,
        refusal=refusal,
    )


def _on_cards(
    asked: Asked,
    placed: Placement,
    fit: Fit,
    beside: Fit | None,
    found: list[Device],
    refusal: str,
) -> LoadPlan:
    shape, use, rest = asked.shape, placed.use, placed.n_layers - placed.n_on_cards
    compute = compute_bytes(shape, use) if rest else 0
    kv = kv_bytes(shape, use) - sum(share.kv_bytes for share in placed.shares)
    needed = placed.host_weights_bytes + kv + compute + PROCESS_BYTES
    host = _host(
        found,
        n_layers=rest,
        weights_bytes=placed.host_weights_bytes,
        kv_bytes=kv,
        compute_bytes=compute,
        needed_bytes=needed,
        free_bytes=fit.available_bytes,
    )
    why = "all fit" if placed.is_whole else "as many as fit"
    least, draft = needed, placed.draft
    if draft is not None and draft.n_on_cards:
        draft_parts, draft_why = _draft_on_cards(draft, host), "it fits beside"
        needed, least = needed + draft.host_weights_bytes, least + draft.host_weights_bytes
    else:
        draft_parts = _draft_on_processor(asked, beside, host)
        draft_why = "no room on the cards" if placed.n_on_cards else "where the model is"
        if beside is not None:
            needed += beside.needed_bytes - PROCESS_BYTES
            least += beside.least_bytes - PROCESS_BYTES
    return _plan(
        asked,
        use,
        parts=[*(_card(share) for share in placed.shares), host],
        draft_parts=draft_parts,
        draft_why=draft_why,
        verdict=verdict(needed, least, fit.available_bytes) if placed.fits else "too big",
        basis="header",
        layers=Setting(
            name="layers on cards",
            value=f"{placed.n_on_cards} of {placed.n_layers}",
            why=why if layers_asked(asked.load) is None else ASKED,
        ),
        on_card=placed.n_on_cards > 0,
        notices=list(placed.notices),
        refusal=refusal,
    )


def _card(share: Share) -> DevicePart:
    return DevicePart(
        device=share.device.name,
        description=share.device.description,
        n_layers=share.n_layers,
        weights_bytes=share.weights_bytes,
        kv_bytes=share.kv_bytes,
        compute_bytes=share.compute_bytes,
        other_bytes=share.margin_bytes,
        needed_bytes=share.needed_bytes,
        free_bytes=share.device.free_bytes,
        total_bytes=share.device.total_bytes,
    )


def _draft_on_processor(asked: Asked, beside: Fit | None, host: DevicePart) -> list[DevicePart]:
    """The draft's part of the processor's memory, where the model has taken its own; if any."""
    if asked.draft is None or beside is None:
        return []
    weights = beside.weights_bytes + beside.repacked_bytes
    shape = model_shape(header_of(asked.draft))
    return [_rest(host, shape.n_layers + 1, weights, beside.kv_bytes, beside.compute_bytes)]


def _draft_on_cards(draft: Placement, host: DevicePart) -> list[DevicePart]:
    """The draft's part of each card, and of the processor's memory its embedding."""
    on_cards = [_card(share) for share in draft.shares if share.n_layers]
    return [*on_cards, _rest(host, 0, draft.host_weights_bytes)]


def _rest(
    host: DevicePart, n_layers: int, weights: int, kv: int = 0, compute: int = 0
) -> DevicePart:
    """A part of what `host` leaves, in the same process."""
    return structs.replace(
        host,
        n_layers=n_layers,
        weights_bytes=weights,
        kv_bytes=kv,
        compute_bytes=compute,
        other_bytes=0,
        needed_bytes=weights + kv + compute,
        free_bytes=max(0, host.free_bytes - host.needed_bytes),
    )


def _host(found: list[Device], **figures: int) -> DevicePart:
    cpu = next((device for device in found if device.kind == "cpu"), None)
    return DevicePart(
        device=cpu.name if cpu else "CPU",
        description=cpu.description if cpu else "",
        total_bytes=cpu.total_bytes if cpu else 0,
        other_bytes=PROCESS_BYTES,
        **figures,
    )


def _plan(
    asked: Asked,
    use: Use,
    *,
    layers: Setting,
    on_card: bool,
    draft_parts: list[DevicePart],
    draft_why: str,
    **rest: Any,
) -> LoadPlan:
    shape, settings = asked.shape, [layers]
    if asked.draft is not None:
        n_layers = sum(part.n_layers for part in draft_parts)
        n_on_cards = sum(part.n_layers for part in draft_parts[:-1])
        value = f"{asked.draft.name}, {n_on_cards} of {n_layers} layers on cards"
        settings.append(Setting(name="draft", value=value, why=draft_why))
    cells = use.cells_for(shape.n_ctx_train)
    return LoadPlan(
        name=asked.path.name,
        path=str(asked.path),
        cells=cells,
        cell_bytes=kv_bytes(shape, use) // max(cells, 1),
        settings=[*settings, *_settings(asked, use, on_card=on_card)],
        draft=str(asked.draft or ""),
        draft_parts=draft_parts,
        **rest,
    )


def _settings(asked: Asked, use: Use, *, on_card: bool) -> list[Setting]:
    context, shape = asked.context, asked.shape
    size = use.context_for(shape.n_ctx_train)
    open_why = (
        "smaller than the default, for all layers to fit"
        if use.context_size is not None
        else f"the default; the model was trained on {shape.n_ctx_train}"
    )
    threads_why = (
        "one for a tiny model" if shape.n_params < TINY_PARAMS else "the cores it may have"
    )
    batch = batch_size_for(context.batch_size, use.sequences, on_card=on_card)
    batch_why = f"{DEFAULT} on a card, {use.batch_size} at once" if on_card else DEFAULT
    if use.kv_type.startswith("q"):
        flash_why = "quantized cells need it"
    else:
        flash_why = "where the card can" if on_card else "on a processor it slows edits and rows"
    return [
        _setting("context", f"{size} tokens", context.context_size, open_why),
        _setting("sequences", f"{use.sequences}", context.sequences, DEFAULT),
        _setting("KV type", use.kv_type, context.kv_type, DEFAULT),
        _setting(
            "flash attention",
            "on" if use.flash_attention else "off",
            context.flash_attention,
            flash_why,
        ),
        _setting("batch", f"{batch} tokens", context.batch_size, batch_why),
        _setting(
            "threads",
            f"{context.threads or default_threads(shape.n_params)}",
            context.threads,
            threads_why,
        ),
    ]


def _setting(name: str, value: str, asked: object, why: str) -> Setting:
    return Setting(name=name, value=value, why=why if asked is None else ASKED)
