"""What a GGUF file says of itself, without loading it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from wiz_kernel_ext.errors import GgufInvalid
from wiz_kernel_ext.gguf_file.cursor import GgufArray
from wiz_kernel_ext.gguf_file.header import Header, read_file_header
from wiz_kernel_ext.gguf_file.kinds import kind_of, other_kind
from wiz_kernel_ext.gguf_file.shape import model_shape
from wiz_kernel_ext.models.fit import Use, estimate, measured
from wiz_kernel_ext.models.machine import this_machine
from wiz_kernel_ext.models.rehearsal import rehearse
from wiz_kernel_ext.models.repo_files import split_parts
from wiz_kernel_ext.protocol.hub import Inspection, TensorSummary

_LONGEST_LIST = 16


async def rehearsed(inspection: Inspection, file: Path, use: Use) -> Inspection:
    """With the engine's own figures for KV and compute, where it can tell them."""
    # What only reads has a context of another make, which the engine is not asked about.
    if inspection.fit is None or inspection.n_parts > 1 or inspection.kind != "text":
        return inspection
    figures = await rehearse(file, use, inspection.n_ctx_train)
    if figures is None:
        return inspection
    fit = measured(inspection.fit, *figures, machine=this_machine())
    return msgspec.structs.replace(inspection, fit=fit)


def inspect_file(path: Path, use: Use, name: str = "") -> Inspection:
    """Look into a file, all parts of a split model being there."""
    header = read_file_header(path)
    size_bytes = path.stat().st_size
    if parts := split_parts(path.name):
        missing = [part for part in parts if not path.with_name(part).is_file()]
        if missing:
            raise GgufInvalid(
                f"{path} is one of {len(parts)} parts, and {missing[0]} is missing.",
                hint="Download the model again: what is here is not fetched twice.",
                path=str(path),
            )
        size_bytes = sum(path.with_name(part).stat().st_size for part in parts)
    return described(name or path.name, str(path), header, size_bytes, use)


def described(name: str, path: str, header: Header, size_bytes: int, use: Use) -> Inspection:
    """The `Inspection` of a header; `path` is "" where the file is on the hub only."""
    shape, metadata = model_shape(header), header.metadata
    other = other_kind(name.rpartition("/")[2], header)
    counts: dict[str, tuple[int, int]] = {}
    for tensor in header.tensors:
        count, total = counts.get(tensor.type.name, (0, 0))
        counts[tensor.type.name] = (count + 1, total + tensor.size_bytes)
    return Inspection(
        name=name,
        path=path,
        size_bytes=size_bytes,
        title=shape.name,
        architecture=shape.architecture,
        quant=shape.quant,
        n_params=shape.n_params,
        n_layers=shape.n_layers,
        n_ctx_train=shape.n_ctx_train,
        n_embd=shape.n_embd,
        n_heads=shape.n_heads,
        n_vocab=shape.n_vocab,
        n_experts=shape.n_experts,
        n_tensors=len(header.tensors),
        n_parts=shape.n_parts,
        tensors=[
            TensorSummary(type=kind, count=count, size_bytes=total)
            for kind, (count, total) in sorted(counts.items(), key=lambda item: -item[1][1])
        ],
        tokenizer=shape.tokenizer,
        special_tokens={
            key.removeprefix("tokenizer.ggml.").removesuffix("_token_id"): value
            for key, value in metadata.items()
            if key.startswith("tokenizer.ggml.")
            and key.endswith("_token_id")
            and isinstance(value, int)
        },
        chat_template=shape.chat_template,
        licence=str(metadata.get("general.license", "")),
        metadata={key: _shown(value) for key, value in metadata.items()},
        kind=kind_of(header),
        fit=None if other else estimate(header, this_machine(), use, files_bytes=size_bytes),
        problem=f"It {other.what}. {other.instead}" if other else "",
    )


def _shown(value: Any) -> Any:
    if not isinstance(value, GgufArray):
        return value
    if value.count <= _LONGEST_LIST:
        return list(value.values)
    return f"{value.type}[{value.count}]"
