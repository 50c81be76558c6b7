"""What will be written: every tensor of the GGUF, its type and size, before a byte is converted.

Knows the families' table and the out types. Holds the checkpoint to its configuration: a tensor
that is missing, left over or of another shape is refused by name. Needs neither numpy nor gguf.
Called by the parent for the estimate and by the child for the work.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.making.convert.checkpoint import Checkpoint
from wiz_kernel_ext.making.convert.families import Change, Family, Row
from wiz_kernel_ext.making.convert.hyperparameters import (
    Hyperparameters,
    find_family,
    read_hyperparameters,
)
from wiz_kernel_ext.making.convert.rope import Fact
from wiz_kernel_ext.making.convert.safetensors import FLOAT_BYTES, StoredTensor

# Bytes of a block, elements of a block, llama.cpp's number of the file type.
OUT_TYPES: Mapping[str, tuple[int, int, int]] = {
    "F32": (4, 1, 0),
    "F16": (2, 1, 1),
    "BF16": (2, 1, 32),
    "Q8_0": (34, 32, 7),
}
ALIGNMENT = 32
# Bytes of the GGUF's metadata beside the vocabulary, about.
_METADATA_BYTES = 32_768


@dataclass(frozen=True)
class PlannedTensor:
    """A tensor to write; its numbers come from `source`, or are `values` themselves."""

    name: str
    shape: tuple[int, ...]
    kind: str
    source: StoredTensor | None = None
    values: tuple[float, ...] = ()
    change: Change = Change.NONE
    head_width: int = 1

    @property
    def size_bytes(self) -> int:
        """Its bytes in the GGUF, without padding."""
        n_bytes, n_block, _ = OUT_TYPES[self.kind]
        return math.prod(self.shape) // n_block * n_bytes


@dataclass(frozen=True)
class Plan:
    """Everything but the vocabulary."""

    checkpoint: Checkpoint
    family: Family
    out_type: str
    facts: Mapping[str, Fact]
    tensors: tuple[PlannedTensor, ...]
    notices: tuple[str, ...]

    @property
    def size_bytes(self) -> int:
        """The GGUF's size; exact but for the vocabulary, which is taken as large as its source."""
        data = sum(-(-tensor.size_bytes // ALIGNMENT) * ALIGNMENT for tensor in self.tensors)
        tokenizer = self.checkpoint.folder / "tokenizer.json"
        return data + _METADATA_BYTES + (tokenizer.stat().st_size if tokenizer.is_file() else 0)


def check_out_type(name: str) -> str:
    """The out type that `name` means, in capitals; raises BadRequest naming the ones there are."""
    kind = name.upper()
    if kind not in OUT_TYPES:
        known = ", ".join(kind.lower() for kind in OUT_TYPES)
        raise BadRequest(
            f"A checkpoint cannot be converted to {name!r}.",
            hint=f"Convert to one of {known}; quantize the result to get smaller ones.",
            field="outtype",
        )
    return kind


def check_supported(folder: Path) -> str:
    """llama.cpp's name of the architecture, by config.json alone, before any weights are fetched.

    Raises ConversionRefused with the reason when the model cannot be converted.
    """
    checkpoint = Checkpoint.open(folder)
    family = find_family(checkpoint)
    read_hyperparameters(checkpoint, family)
    return family.architecture


def make_plan(folder: Path, out_type: str) -> Plan:
    """The plan for the checkpoint in `folder`; raises ConversionRefused with the reason."""
    kind = check_out_type(out_type)
    checkpoint = Checkpoint.open(folder)
    family = find_family(checkpoint)
    parameters = read_hyperparameters(checkpoint, family)
    _check_number_types(checkpoint)
    tensors = (
        *_planned(checkpoint, family, parameters, kind),
        *(
            PlannedTensor(name, (len(values),), "F32", values=values)
            for name, values in parameters.factors.items()
        ),
    )
    notices = tuple(parameters.notices)
    return Plan(checkpoint, family, kind, parameters.facts, tensors, notices)


def _check_number_types(checkpoint: Checkpoint) -> None:
    for tensor in checkpoint.tensors.values():
        if tensor.dtype.startswith("F8") or (tensor.dtype in ("U8", "I32") and "q" in tensor.name):
            raise checkpoint.refusal(
                f"its weights are quantized already ({tensor.name} is {tensor.dtype})",
                "Convert the original model it was made from.",
                file=tensor.file.name,
            )


def _planned(
    checkpoint: Checkpoint, family: Family, parameters: Hyperparameters, kind: str
) -> Iterator[PlannedTensor]:
    stored = checkpoint.tensors
    prefix = next((p for p in family.prefixes if p + family.anchor in stored), None)
    if prefix is None:
        raise checkpoint.refusal(f"there is no tensor {family.prefixes[0] + family.anchor!r}")
    left = {name for name in stored if not family.ignored.search(name)}
    for row, source, target in _rows(family, prefix, parameters.n_layers):
        if source not in stored:
            if row.optional:
                continue
            raise checkpoint.refusal(
                f"the tensor {source!r} is missing", "Download the checkpoint again."
            )
        left.discard(source)
        yield _one(checkpoint, stored[source], row, target, parameters, kind)
    yield from _head(checkpoint, family, parameters, kind, left)
    if left:
        raise checkpoint.refusal(
            f"the tensor {min(left)!r} has no place in a {family.architecture} model"
        )


def _rows(family: Family, prefix: str, n_layers: int) -> Iterator[tuple[Row, str, str]]:
    for row in family.outer:
        yield row, prefix + row.source, row.target
    for layer in range(n_layers):
        for row in family.layer:
            source = f"{prefix}{family.layer_prefix}.{layer}.{row.source}"
            yield row, source, f"blk.{layer}.{row.target}"


def _head(
    checkpoint: Checkpoint,
    family: Family,
    parameters: Hyperparameters,
    kind: str,
    left: set[str],
) -> Iterator[PlannedTensor]:
    """The output head, unless it is the embedding again (llama.cpp then uses that)."""
    name = "lm_head.weight"
    if not family.has_head:
        return
    tied = checkpoint.value("tie_word_embeddings")
    if name not in checkpoint.tensors:
        if tied is False:
            raise checkpoint.refusal(
                f"the tensor {name!r} is missing", "Download the checkpoint again."
            )
        return
    left.discard(name)
    if not (family.tied_by_default if tied is None else tied):
        if family.architecture == "gemma2":
            raise checkpoint.refusal("llama.cpp has no output head of its own for gemma2")
        row = Row(name, "output.weight", "V E")
        yield _one(checkpoint, checkpoint.tensors[name], row, row.target, parameters, kind)


def _one(
    checkpoint: Checkpoint,
    source: StoredTensor,
    row: Row,
    target: str,
    parameters: Hyperparameters,
    kind: str,
) -> PlannedTensor:
    shape = shape_of(row, parameters.sizes)
    if source.shape != shape:
        raise checkpoint.refusal(
            f"the tensor {source.name!r} has the shape {list(source.shape)}, "
            f"where its config.json makes it {list(shape)}",
            file=source.file.name,
        )
    if source.dtype not in FLOAT_BYTES:
        raise checkpoint.refusal(
            f"the tensor {source.name!r} holds {source.dtype} numbers", file=source.file.name
        )
    if len(shape) == 1 or row.always_f32:
        kind = "F32"
    elif shape[-1] % OUT_TYPES[kind][1]:
        kind = "F16"  # as llama.cpp's converter does with rows that no block divides
    return PlannedTensor(
        target, shape, kind, source, change=row.change, head_width=parameters.head_width
    )


def shape_of(row: Row, sizes: Mapping[str, int]) -> tuple[int, ...]:
    """The shape that a row's letters mean, outermost first."""
    return tuple(_size(letter, sizes) for letter in row.shape.split())


def _size(letters: str, sizes: Mapping[str, int]) -> int:
    total = 0
    for term in letters.split("+"):
        factor, letter = (int(term[0]), term[1]) if term[0].isdigit() else (1, term)
        total += factor * sizes[letter]
    return total
