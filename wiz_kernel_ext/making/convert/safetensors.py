"""Reads a safetensors file's header and, piece by piece, its numbers.

Knows the format and that the file is somebody else's: the header is bounded before it is read and
every place it names is checked. Pieces are read, not mapped: a file that is cut off while it is
read is then an error, not a SIGBUS, and what was read does not count as memory. Called by
`checkpoint.py`.
"""

from __future__ import annotations

import math
from pathlib import Path

import msgspec

from wiz_kernel_ext.errors import ConversionRefused

MAX_HEADER_BYTES = 8 << 20
MAX_TENSORS = 50_000
MAX_DIMENSIONS = 4

FLOAT_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2}
_OTHER_BYTES = {"I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2, "U8": 1} | {
    "BOOL": 1,
    "F8_E4M3": 1,
    "F8_E5M2": 1,
    "F8_E8M0": 1,
}
_AGAIN = "The file is damaged or incomplete: download it again."


class _Entry(msgspec.Struct, frozen=True):
    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


class StoredTensor(msgspec.Struct, frozen=True):
    """Where a tensor lies: `size_bytes` bytes from `start` of `file`, row-major, little-endian."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: Path
    start: int
    size_bytes: int

    @property
    def n_elements(self) -> int:
        """How many numbers it has."""
        return math.prod(self.shape)


def read_header(file: Path) -> dict[str, StoredTensor]:
    """The tensors of a safetensors file, by name; raises ConversionRefused naming what is wrong."""
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            prefix = stream.read(8)
            n_header = int.from_bytes(prefix, "little")
            if len(prefix) < 8 or n_header > size - 8:
                raise _damaged(file, "its header is cut off")
            if n_header > MAX_HEADER_BYTES:
                raise _damaged(file, f"its header claims {n_header:,} bytes")
            header = stream.read(n_header)
    except OSError as error:
        raise ConversionRefused(
            f"{file} cannot be read: {error.strerror or error}.", file=str(file)
        ) from None
    try:
        entries = msgspec.json.decode(header, type=dict[str, msgspec.Raw])
        if len(entries) > MAX_TENSORS:
            raise _damaged(file, f"its header names {len(entries):,} tensors")
        found = [
            (name, msgspec.json.decode(entry, type=_Entry))
            for name, entry in entries.items()
            if name != "__metadata__"
        ]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _damaged(file, f"its header is not readable ({error})") from None
    found.sort(key=lambda item: item[1].data_offsets)
    tensors: dict[str, StoredTensor] = {}
    base = 8 + n_header
    end_before = 0
    for name, entry in found:
        start, end = entry.data_offsets
        _check(file, name, entry, end_before, size - base)
        end_before = end
        tensors[name] = StoredTensor(
            name, entry.dtype, tuple(entry.shape), file, base + start, end - start
        )
    return tensors


def _check(file: Path, name: str, entry: _Entry, least_start: int, n_data: int) -> None:
    start, end = entry.data_offsets
    item_bytes = FLOAT_BYTES.get(entry.dtype) or _OTHER_BYTES.get(entry.dtype)
    if item_bytes is None:
        raise ConversionRefused(
            f"{file}: the tensor {name!r} has the number type {entry.dtype!r}, "
            "which cannot be converted.",
            hint="Use the checkpoint the model was published with, in BF16, F16 or F32.",
            file=str(file),
        )
    if len(entry.shape) > MAX_DIMENSIONS or any(n < 0 for n in entry.shape):
        raise _damaged(file, f"the shape {entry.shape} of {name!r} is impossible")
    if not least_start <= start <= end <= n_data:
        raise _damaged(file, f"the tensor {name!r} lies outside of the file or inside another")
    if math.prod(entry.shape) * item_bytes != end - start:
        raise _damaged(file, f"the tensor {name!r} has not the size of its shape {entry.shape}")


def _damaged(file: Path, reason: str) -> ConversionRefused:
    return ConversionRefused(f"{file}: {reason}.", hint=_AGAIN, file=str(file))
