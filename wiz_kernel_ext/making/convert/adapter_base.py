"""The model an adapter was trained on, as far as converting the adapter needs it.

It is a checkpoint's folder, of which config.json is enough, or a GGUF. Called by `adapter_plan.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from wiz_kernel_ext.errors import ConversionRefused
from wiz_kernel_ext.gguf_file.header import read_file_header
from wiz_kernel_ext.making.convert.checkpoint import Checkpoint
from wiz_kernel_ext.making.convert.families import FAMILIES, Family, Row
from wiz_kernel_ext.making.convert.hyperparameters import find_family, read_hyperparameters
from wiz_kernel_ext.making.convert.plan import shape_of

_MAX_LAYERS = 1024


@dataclass(frozen=True)
class AdapterBase:
    """A model's family, and the (rows, columns) of each of its matrices; None where it has none."""

    name: str
    family: Family
    n_layers: int
    head_width: int
    shape: Callable[[Row, str], tuple[int, ...] | None]

    def matrices(self) -> Iterator[tuple[str, Row, str, tuple[int, ...]]]:
        """Each matrix of the layers: its module's name there, row, name here, and shape."""
        for layer in range(self.n_layers):
            for row in self.family.layer:
                target = f"blk.{layer}.{row.target}"
                shape = self.shape(row, target)
                if shape is not None and len(shape) == 2:
                    module = row.source.removesuffix(".weight")
                    yield f"{self.family.layer_prefix}.{layer}.{module}", row, target, shape


def read_base(place: Path) -> AdapterBase:
    """The model at `place`; raises ConversionRefused, ModelFileNotFound, GgufInvalid."""
    return _of_checkpoint(place) if place.is_dir() else _of_gguf(place)


def _of_checkpoint(folder: Path) -> AdapterBase:
    checkpoint = Checkpoint(folder)
    family = find_family(checkpoint)
    parameters = read_hyperparameters(checkpoint, family)

    def shape(row: Row, target: str) -> tuple[int, ...]:
        return shape_of(row, parameters.sizes)

    return AdapterBase(checkpoint.label, family, parameters.n_layers, parameters.head_width, shape)


def _of_gguf(path: Path) -> AdapterBase:
    header = read_file_header(path)
    architecture = header.metadata.get("general.architecture")
    known = {family.architecture: family for family in FAMILIES.values()}
    if not isinstance(architecture, str) or architecture not in known:
        raise ConversionRefused(
            f"{path.name} is a model of architecture {str(architecture)[:40]!r}, whose adapters "
            f"this converter does not know ({', '.join(known)}).",
            source=str(path),
        )

    def number(key: str, default: int = 0) -> int:
        value = header.metadata.get(f"{architecture}.{key}", default)
        return value if isinstance(value, int) else 0

    n_layers, n_heads = number("block_count"), number("attention.head_count")
    head_width = number("attention.key_length", number("embedding_length") // max(1, n_heads))
    if not 0 < n_layers <= _MAX_LAYERS or not head_width or head_width % 2:
        raise ConversionRefused(f"{path.name} does not say its sizes.", source=str(path))
    shapes = {tensor.name: tensor.shape[::-1] for tensor in header.tensors}
    return AdapterBase(
        path.name, known[architecture], n_layers, head_width, lambda _, name: shapes.get(name)
    )
