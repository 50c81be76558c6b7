"""What a model is loaded with, from what was asked for and what this machine's engine has: layers.

Called by `ModelHost`, on the engine's thread. `worker/context_plan.py` goes on from there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from wiz_kernel_ext.engine.backend import Backend, LoadParameters
from wiz_kernel_ext.engine.way import Way
from wiz_kernel_ext.models.placement import ALL_LAYERS, Placement, layers_asked, place_file
from wiz_kernel_ext.protocol.devices import cards
from wiz_kernel_ext.protocol.requests import CreateContext, LoadModel


@dataclass(frozen=True)
class LoadPlan:
    """`placement` is what goes on which card; None where none is used."""

    parameters: LoadParameters
    placement: Placement | None
    notices: tuple[str, ...]

    @property
    def for_draft(self) -> LoadParameters:
        """What the model that guesses is loaded with: all of it on cards, or nothing of it."""
        if self.placement is None:
            is_on_card = self.parameters.gpu_layers != 0
        else:
            is_on_card = self.placement.draft is not None and self.placement.draft.n_on_cards > 0
        return replace(self.parameters, gpu_layers=ALL_LAYERS if is_on_card else 0)


def plan_load(path: Path, request: LoadModel, backend: Backend, way: Way) -> LoadPlan:
    """How the file at `path` is loaded for `request`; raises GgufInvalid, ModelFileNotFound."""
    asked = layers_asked(request)
    can_offload = backend.supports_gpu_offload and way.gpu
    found = cards(backend.devices()) if can_offload and asked != 0 else []
    placement, notices = None, tuple[str, ...]()
    if found:
        placement = place_file(path, request, request.context or CreateContext(), found)
        notices = placement.notices
        gpu_layers = placement.gpu_layers if asked is None else asked
    elif can_offload:  # to what it does not list: there the library judges
        gpu_layers = ALL_LAYERS if asked is None else asked
    else:
        if asked:
            notices = (f"{_why_none(backend)}: no layer is offloaded to a GPU.",)
        gpu_layers = 0
    parameters = LoadParameters(
        gpu_layers=gpu_layers,
        extra_buffers=way.extra_buffers,
        use_mmap=request.use_mmap is not False,
        use_mlock=bool(request.use_mlock),
        check_tensors=bool(request.check_tensors),
    )
    return LoadPlan(parameters, placement, notices)


def _why_none(backend: Backend) -> str:
    if backend.supports_gpu_offload:
        return "This build of llama.cpp does not compute right on this GPU"
    return "This build of llama.cpp is for the CPU only"
