"""What a load would do, worked out and not done: how much goes where, what is chosen, and why.

The same sums and rules as a load's: `models/placement.py`, `LoadCheck`, `context_defaults`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wiz_kernel_ext.configuration.limits import Limits
from wiz_kernel_ext.engine.threads import TINY_PARAMS, default_threads
from wiz_kernel_ext.engine.way import Way
from wiz_kernel_ext.errors import BadRequest, NotEnoughMemory
from wiz_kernel_ext.gguf_file.shape import ModelShape, model_shape
from wiz_kernel_ext.models.devices import devices_here
from wiz_kernel_ext.models.fit import PROCESS_BYTES, Use, compute_bytes, kv_bytes, measured, verdict
from wiz_kernel_ext.models.headers import header_of
from wiz_kernel_ext.models.machine import Machine
from wiz_kernel_ext.models.placement import Placement, layers_asked, place_file
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
        fit = await asyncio.to_thread(self.check.fit, path, context)
        refusal = await asyncio.to_thread(self._refusal, path, load, context, fit)
        way, found = await self.way(), await self.devices()
        usable = cards(found) if way.gpu and load.gpu_layers != 0 else []
        shape = model_shape(header_of(path))
        asked = Asked(path, load, context, shape)
        if usable:
            placed = place_file(path, load, context, usable)
            return _on_cards(asked, placed, fit, found, refusal)
        if shape.n_parts == 1:
            figures = await self.measure(path, Use.asked(context), shape.n_ctx_train)
            same = Machine(available_bytes=fit.available_bytes, limit=fit.limit)
            fit = measured(fit, *figures, machine=same) if figures else fit
        gives_way = [_GIVES_WAY] if fit.verdict == "too big" and not refusal else []
        return _on_processor(asked, fit, found, refusal, gives_way)

    def _refusal(self, path: Path, load: LoadModel, context: CreateContext, fit: Fit) -> str:
        """What a load would be refused with, idle models having made room; "" where it is done."""
        fit = with_room(fit, self.room_bytes())
        try:
            self.check.refuse_too_large(path, context, fit, anyway=load.anyway)
            self.check.refuse_too_big(path.name, fit, path=path, context=context)
        except (BadRequest, NotEnoughMemory) as error:
            return f"{error.message} {error.info().hint}"
        return ""


@dataclass(frozen=True)
class Asked:
    """A file and how it is asked for."""

    path: Path
    load: LoadModel
    context: CreateContext
    shape: ModelShape


def _on_processor(
    asked: Asked, fit: Fit, found: list[Device], refusal: str, notices: list[str]
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
    return _plan(
        asked,
        use,
        parts=[part],
        verdict=fit.verdict,
        basis=fit.basis,
        layers=Setting(name="layers on cards", value=f"0 of {n_layers}", why=why),
        on_card=False,
        notices=notices,
        refusal=refusal,
    )


def _on_cards(
    asked: Asked, placed: Placement, fit: Fit, found: list[Device], refusal: str
) -> LoadPlan:
    shape, use, rest = asked.shape, placed.use, placed.n_layers - placed.n_on_cards
    compute = compute_bytes(shape, use) if rest else 0
    kv = kv_bytes(shape, use) - sum(share.kv_bytes for share in placed.shares)
    needed = placed.host_weights_bytes + kv + compute + PROCESS_BYTES
    parts = [
        DevicePart(
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
        for share in placed.shares
    ]
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
    return _plan(
        asked,
        use,
        parts=[*parts, host],
        verdict=verdict(needed, needed, fit.available_bytes) if placed.fits else "too big",
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
    **rest: Any,
) -> LoadPlan:
    shape = asked.shape
    cells = use.cells_for(shape.n_ctx_train)
    return LoadPlan(
        name=asked.path.name,
        path=str(asked.path),
        cells=cells,
        cell_bytes=kv_bytes(shape, use) // max(cells, 1),
        settings=[layers, *_settings(asked, use, on_card=on_card)],
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
        flash_why = "where the card can" if on_card else "on a processor it slows single tokens"
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
