"""Reads a GGUF header: metadata, tensor list, where the data begins and how long the file must be.

Accepts what llama.cpp's reader (ggml/src/gguf.cpp) accepts and no more. The input is untrusted:
every count, length and dimension is bounded before anything is allocated or looped over, and
whatever is wrong is one `GgufInvalid` that says where.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

from wiz_kernel_ext.errors import GgufInvalid, ModelFileNotFound
from wiz_kernel_ext.gguf_file.cursor import Cursor
from wiz_kernel_ext.gguf_file.source import FileSource, Source
from wiz_kernel_ext.gguf_file.types import TENSOR_TYPES, TensorType

MAX_HEADER_BYTES = 128 * 1024 * 1024
_MAX_METADATA = 65_536
_MAX_TENSORS = 262_144
_MAX_NAME_BYTES = 63
_MAX_DIMENSIONS = 4
_MAX_INT64 = 2**63 - 1
_DEFAULT_ALIGNMENT = 32
_UINT32 = 4


@dataclass(frozen=True)
class Tensor:
    """A tensor's place: `shape` innermost first, `offset` in bytes from the data's beginning."""

    name: str
    shape: tuple[int, ...]
    type: TensorType
    offset: int
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class Header:
    """A file's header. `data_offset` is also the header's length, padding included.

    `size_bytes` is what the whole file must have at least; `metadata` values are numbers, booleans,
    texts, or a `GgufArray`.
    """

    version: int
    metadata: dict[str, Any] = field(repr=False)
    tensors: list[Tensor] = field(repr=False)
    alignment: int
    data_offset: int
    size_bytes: int


def read_header(source: Source, *, max_bytes: int = MAX_HEADER_BYTES) -> Header:
    """The header at the beginning of `source`, at most `max_bytes` long; raises GgufInvalid."""
    cursor = Cursor(source, max_bytes)
    if cursor.take(4, "the magic") != b"GGUF":
        raise GgufInvalid("It does not begin with 'GGUF': this is no GGUF file.")
    version = _version(cursor)
    n_tensors = cursor.uint64("the number of tensors")
    n_metadata = cursor.uint64("the number of metadata")
    if n_tensors > _MAX_TENSORS:
        raise GgufInvalid(f"It claims {n_tensors} tensors.")
    if n_metadata > _MAX_METADATA:
        raise GgufInvalid(f"It claims {n_metadata} metadata.")
    metadata, alignment = _metadata(cursor, n_metadata)
    tensors: list[Tensor] = []
    names: set[str] = set()
    end = 0
    for _ in range(n_tensors):
        tensor = _tensor(cursor)
        if tensor.name in names:
            raise GgufInvalid(f"Tensor {tensor.name!r} is there twice.")
        expected = _padded(end, alignment)
        if tensor.offset != expected:
            raise GgufInvalid(
                f"Tensor {tensor.name!r} is at offset {tensor.offset}, not {expected}."
            )
        names.add(tensor.name)
        tensors.append(tensor)
        end = tensor.offset + tensor.size_bytes
    data_offset = _padded(cursor.position, alignment) if tensors else cursor.position
    return Header(
        version=version,
        metadata=metadata,
        tensors=tensors,
        alignment=alignment,
        data_offset=data_offset,
        size_bytes=data_offset + end,
    )


def read_file_header(path: Path) -> Header:
    """The header of the file at `path`, which must be as long as its tensors need.

    Raises GgufInvalid naming the file, ModelFileNotFound where it cannot be opened.
    """
    try:
        with FileSource(path) as source:
            header = read_header(source)
            size_bytes = source.size_bytes or 0
    except GgufInvalid as error:
        raise GgufInvalid(f"{path} is not a usable GGUF file. {error}", path=str(path)) from None
    except OSError as error:
        raise ModelFileNotFound(f"{path} cannot be read: {error.strerror or error}.") from None
    if size_bytes < header.size_bytes:
        raise GgufInvalid(
            f"{path} is cut off: it has {size_bytes} of {header.size_bytes} bytes.",
            path=str(path),
        )
    return header


def _version(cursor: Cursor) -> int:
    version = cursor.uint32("the version")
    if version & 0xFFFF == 0:
        raise GgufInvalid("It is written for big-endian machines.")
    if version not in (2, 3):
        raise GgufInvalid(f"It is GGUF version {version}; versions 2 and 3 can be read.")
    return version


def _metadata(cursor: Cursor, n_metadata: int) -> tuple[dict[str, Any], int]:
    metadata: dict[str, Any] = {}
    alignment = _DEFAULT_ALIGNMENT
    for _ in range(n_metadata):
        key = cursor.text("a metadata key")
        if not key or key in metadata:
            raise GgufInvalid(f"Metadata key {key!r} is there twice." if key else "An empty key.")
        kind = cursor.uint32(key)
        metadata[key] = cursor.value(kind, key)
        if key == "general.alignment":
            alignment = metadata[key]
            if kind != _UINT32 or alignment <= 0 or alignment & (alignment - 1):
                raise GgufInvalid(f"Its alignment is {alignment!r}, no power of two.")
    return metadata, alignment


def _tensor(cursor: Cursor) -> Tensor:
    name = cursor.text("a tensor's name", max_bytes=_MAX_NAME_BYTES)
    n_dimensions = cursor.uint32(name)
    if n_dimensions > _MAX_DIMENSIONS:
        raise GgufInvalid(f"Tensor {name!r} has {n_dimensions} dimensions.")
    shape = tuple(cursor.uint64(name) for _ in range(n_dimensions))
    kind = cursor.uint32(name)
    offset = cursor.uint64(name)
    n_values = prod(shape)
    # The product of the others as well: a zero would hide an overflow from the library's check.
    if prod(max(n, 1) for n in shape) > _MAX_INT64:
        raise GgufInvalid(f"Tensor {name!r} has an impossible shape {list(shape)}.")
    type = TENSOR_TYPES.get(kind)
    if type is None:
        raise GgufInvalid(
            f"Tensor {name!r} has type {kind}, which is unknown here.",
            hint="It may need a newer version of this package and of llama-cpp-python.",
        )
    row = shape[0] if shape else 1
    if row % type.block_size:
        raise GgufInvalid(f"Tensor {name!r} has rows of {row} values, which {type.name} cannot.")
    size_bytes = n_values // type.block_size * type.block_bytes
    if offset + size_bytes > _MAX_INT64:
        raise GgufInvalid(f"Tensor {name!r} ends beyond any file.")
    return Tensor(name, shape, type, offset, size_bytes)


def _padded(size: int, alignment: int) -> int:
    return (size + alignment - 1) // alignment * alignment
