"""Writes LoRA adapters with random weights, and models that have such an adapter merged in.

A merged model is the other way to compute the same: W + scale · alpha / rank · B·A, in 32 bits.
Needs `gguf` and numpy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np

ALL_MATRICES = r"blk\.\d+\.(attn|ffn)_(?!norm).*weight"


@dataclass(frozen=True, kw_only=True)
class Lora:
    """An adapter for the tensors whose names match `tensors`; `strength` is that of its numbers."""

    rank: int = 4
    alpha: float = 8.0
    seed: int = 0
    strength: float = 0.1
    tensors: str = ALL_MATRICES

    def factors(self, name: str, shape: Sequence[int]) -> tuple[Any, Any]:
        """A and B for a tensor of `shape`, innermost first."""
        rng = np.random.default_rng([self.seed, *name.encode()])
        a = rng.standard_normal((self.rank, int(shape[0]))) * self.strength
        b = rng.standard_normal((int(shape[1]), self.rank)) * self.strength
        return a.astype(np.float32), b.astype(np.float32)

    def delta(self, name: str, shape: Sequence[int], scale: float = 1.0) -> Any:
        """What it adds to a tensor, scaled."""
        a, b = self.factors(name, shape)
        return scale * self.alpha / self.rank * (b @ a)


def write_lora(
    path: Path,
    base: Path,
    lora: Lora | None = None,
    *,
    architecture: str | None = None,
    general_type: str = "adapter",
    adapter_type: str = "lora",
    replaced: Mapping[str, Any] | None = None,
) -> Path:
    """Write `lora`, made for the model at `base`, and return its path.

    What else is given makes it a bad one: `replaced` are tensors by their names (None: left out).
    """
    lora = lora or Lora()
    reader = gguf.GGUFReader(base)
    own = reader.fields["general.architecture"].contents()
    writer = gguf.GGUFWriter(path, architecture or own)
    writer.add_string("general.type", general_type)
    writer.add_string("adapter.type", adapter_type)
    writer.add_float32("adapter.lora.alpha", lora.alpha)
    tensors: dict[str, Any] = {}
    for tensor in reader.tensors:
        if re.fullmatch(lora.tensors, tensor.name):
            a, b = lora.factors(tensor.name, tensor.shape)
            tensors |= {f"{tensor.name}.lora_a": a, f"{tensor.name}.lora_b": b}
    assert tensors, f"{base} has none of {lora.tensors}"
    for name, values in {**tensors, **(replaced or {})}.items():
        if values is not None:
            writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_merged(path: Path, base: Path, *loras: tuple[Lora, float]) -> Path:
    """Write the model at `base` in 32 bits, with adapters merged in, each scaled."""
    reader = gguf.GGUFReader(base)
    writer = gguf.GGUFWriter(path, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name in ("general.architecture", "general.file_type"):
            continue
        inner = field.types[-1] if len(field.types) > 1 else None
        writer.add_key_value(name, field.contents(), field.types[0], inner)
    writer.add_file_type(0)
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        for lora, scale in loras:
            if re.fullmatch(lora.tensors, tensor.name):
                values = values + lora.delta(tensor.name, tensor.shape, scale)
        writer.add_tensor(tensor.name, values.astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
