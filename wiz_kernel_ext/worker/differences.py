"""What was asked for against what is in memory: the same is shared, the rest is a conflict.

Only what was asked for counts; what was left open fits whatever there is. Pure; called by
`ModelHost`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec.structs import replace

from wiz_kernel_ext.engine.backend import LoadParameters
from wiz_kernel_ext.protocol.chat_templates import RAW, TEMPLATE_NAMES
from wiz_kernel_ext.protocol.requests import CreateContext, LoadModel
from wiz_kernel_ext.protocol.results import ContextInfo, ModelInfo

Difference = dict[str, list[Any]]
"""{name on the wire: [what is loaded, what was asked]}"""


def model_difference(
    info: ModelInfo,
    parameters: LoadParameters,
    path: Path,
    request: LoadModel,
    *,
    chat_template: str | None = None,
    can_offload: bool,
) -> Difference:
    """How the model in memory differs from what `request` asks for, `path` being its file.

    `chat_template` is the one that it was loaded with, None for its own.

    Where nothing can be offloaded to a GPU, every number of layers to offload is the same.
    """
    difference: Difference = {}
    if not can_offload and request.gpu_layers is not None:
        request = replace(request, gpu_layers=0)
    if info.model_path != str(path):
        difference["modelPath"] = [info.model_path, str(path)]
    for name in ("gpu_layers", "use_mmap", "use_mlock", "check_tensors"):
        asked, has = getattr(request, name), getattr(parameters, name)
        if asked is not None and asked != "auto" and asked != has:
            difference[_camel(name)] = [has, asked]
    if request.draft is not None and request.draft != info.draft:
        difference["draft"] = [info.draft or None, request.draft]
    if request.projector is not None and request.projector != info.projector:
        difference["projector"] = [info.projector or None, request.projector]
    if request.chat_template not in (None, chat_template):
        names = [info.chat_template, template_name(request.chat_template, own=False)]
        difference["chatTemplate"] = names
    return difference


def template_name(given: str | None, *, own: bool) -> str:
    """What a chat template is called: see `ModelInfo`; `own` is whether the file has one."""
    if given is None:
        return "own" if own else RAW
    return given if given in TEMPLATE_NAMES else "given"


def context_difference(info: ContextInfo, request: CreateContext) -> Difference:
    """How the context there is differs from what `request` asks for."""
    if request.batch_size is not None:  # it was made large enough for all sequences
        request = replace(request, batch_size=max(request.batch_size, info.sequences + 1))
    names = ("context_size", "sequences", "threads", "batch_size", "kv_type", "flash_attention")
    return {
        _camel(name): [has, asked]
        for name in (*names, "seed", "reproducible")
        if (asked := getattr(request, name)) is not None and asked != (has := getattr(info, name))
    }


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


def named(difference: Difference) -> str:
    """A difference in words."""
    return ", ".join(f"{name} is {has}, not {asked}" for name, (has, asked) in difference.items())
