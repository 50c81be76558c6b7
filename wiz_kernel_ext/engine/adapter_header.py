"""Does this LoRA file fit that model? Asked before llama.cpp sees it: it aborts on some bad ones.

Knows what the library does with each tensor pair, and refuses what it would leave out in silence.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from wiz_kernel_ext.engine.gguf_header import parts_of
from wiz_kernel_ext.errors import ModelLoadFailed
from wiz_kernel_ext.gguf_file.header import Header, Tensor, read_file_header

_ALPHA = "adapter.lora.alpha"
_TEXT_KEYS = ("general.type", "general.architecture", "adapter.type")
_FLOAT32, _STRING = 6, 8
_FACTORS = (".lora_a", ".lora_b")
_NO_NUMBERS = {"I8", "I16", "I32", "I64", "F64"}
_EMBEDDING, _OUTPUT = "token_embd.weight", "output.weight"
_HINT = "Take an adapter that was made for this model."


def check_adapter(path: Path, model_path: Path) -> Header:
    """The header of the adapter at `path`, which fits the model at `model_path`.

    Raises ModelLoadFailed naming the file and what is wrong, its kind GgufInvalid for a damaged
    file, ModelFileNotFound.
    """
    header = read_file_header(path)
    base = read_file_header(model_path)
    parts = [base, *(read_file_header(part) for part in parts_of(model_path, base)[1:])]
    tensors = {tensor.name: tensor for part in parts for tensor in part.tensors}
    if why := _misfit(header, base.metadata.get("general.architecture"), tensors):
        raise ModelLoadFailed(
            f"{path.name} is no adapter for {model_path.name}: {why}.", hint=_HINT, log=[]
        )
    return header


def _misfit(header: Header, architecture: object, base: Mapping[str, Tensor]) -> str:
    """Why an adapter does not fit; nothing where it does."""
    metadata, kinds = header.metadata, header.kinds
    if metadata.get("general.type") != "adapter" and "adapter.type" not in metadata:
        return "it is no adapter at all"
    for key in _TEXT_KEYS:
        if kinds.get(key) != _STRING:
            return f"it does not say its {key}"
    if metadata["general.type"] != "adapter" or metadata["adapter.type"] != "lora":
        return f"it is one of type {str(metadata['adapter.type'])[:40]!r}, and LoRA is taken"
    if metadata["general.architecture"] != architecture:
        own = str(metadata["general.architecture"])[:40]
        return f"it is for models of architecture {own!r}, and this is {architecture!r}"
    alpha = metadata.get(_ALPHA, 0.0)
    if kinds.get(_ALPHA, _FLOAT32) != _FLOAT32 or not math.isfinite(alpha):
        return f"its {_ALPHA} is no number"
    if "adapter.alora.invocation_tokens" in metadata:
        return "it is to be active from certain tokens on only (aLoRA), which is not done here"
    return _tensor_misfit({tensor.name: tensor for tensor in header.tensors}, base)


def _tensor_misfit(own: Mapping[str, Tensor], base: Mapping[str, Tensor]) -> str:
    names = dict.fromkeys(name.removesuffix(".lora_a").removesuffix(".lora_b") for name in own)
    if not names:
        return "it has no tensors"
    for name in names:
        if name in own:
            return f"its tensor {name} is no part of a LoRA, and would be left out"
        a, b = (own.get(name + factor) for factor in _FACTORS)
        if a is None or b is None:
            return f"it has one of the two factors of {name} only"
        weight = base.get(name)
        if weight is None:
            return f"the model has no tensor {name}"
        if a.type.name in _NO_NUMBERS or b.type.name in _NO_NUMBERS:
            return f"its factors of {name} are of type {a.type.name} and {b.type.name}"
        if name == _EMBEDDING and _OUTPUT not in base:
            return f"it changes {_EMBEDDING}, which this model uses for its output too"
        if not _fits(name, weight, a, b):
            shapes = f"{_shown(a)} and {_shown(b)}"
            return f"its factors of {name} are {shapes}, and that is {_shown(weight)}"
    return ""


def _fits(name: str, weight: Tensor, a: Tensor, b: Tensor) -> bool:
    """Whether B·A is as `weight`; of the embedding, which is looked up, the factors stand upright.

    Shapes are innermost first: a matrix of n columns is (n, rows).
    """
    w, a_shape, b_shape = (_four(tensor.shape) for tensor in (weight, a, b))
    if len(weight.shape) < 2 or 0 in a_shape or 0 in b_shape:
        return False
    if name == _EMBEDDING:
        return (
            (b_shape[1], a_shape[1]) == w[:2]
            and a_shape[0] == b_shape[0]
            and a_shape[2:] == b_shape[2:] == (1, 1)
        )
    return (
        (a_shape[0], b_shape[1]) == w[:2]
        and a_shape[1] == b_shape[0]
        and a_shape[2:] == b_shape[2:] == w[2:]
    )


def _four(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (*shape, 1, 1, 1, 1)[:4]


def _shown(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape))
