"""Reads a GGUF header: metadata, tensor list, where the data begins and how long the file must be.

Accepts what llama.cpp's reader (ggml/src/gguf.cpp) accepts and no more. The input is untrusted:
every count, length and dimension is bounded before anything is allocated or looped over, and
whatever is wrong is one `GgufInvalid`, worded to follow the file's name.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

from wiz_kernel_ext.errors import GgufInvalid, ModelFileNotFound, not_permitted
from wiz_kernel_ext.folders import ggufs_in, is_file
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
    kinds: dict[str, int] = field(repr=False, default_factory=dict)
    """GGUF's number of each metadata value's type: the library insists on some."""


def read_header(source: Source, *, max_bytes: int = MAX_HEADER_BYTES) -> Header:
    """The header at the beginning of `source`, at most `max_bytes` long; raises GgufInvalid."""
    cursor = Cursor(source, max_bytes)
    magic = source.read(0, 4)
    if magic != b"GGUF":
        raise GgufInvalid(f"is not a GGUF file: it begins with {_shown(magic)}.")
    cursor.take(4, "its magic")
    version = _version(cursor)
    n_tensors = cursor.uint64("its counts")
    n_metadata = cursor.uint64("its counts")
    if n_tensors > _MAX_TENSORS or n_metadata > _MAX_METADATA:
        raise GgufInvalid(f"claims {n_tensors} tensors and {n_metadata} entries: it is damaged.")
    metadata, kinds, alignment = _metadata(cursor, n_metadata)
    tensors: list[Tensor] = []
    names: set[str] = set()
    end = 0
    for _ in range(n_tensors):
        tensor = _tensor(cursor)
        if tensor.name in names:
            raise GgufInvalid(f"has tensor {tensor.name} twice: it is damaged.")
        expected = _padded(end, alignment)
        if tensor.offset != expected:
            raise GgufInvalid(
                f"has tensor {tensor.name} at odd offset {tensor.offset} (not {expected}): damaged."
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
        kinds=kinds,
    )


def read_file_header(path: Path) -> Header:
    """The header of the file at `path`, which must be as long as its tensors need.

    Raises GgufInvalid naming the file, ModelFileNotFound where there is none, NotPermitted.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise GgufInvalid("is a directory.", hint=_of_folder(path))
        if not stat.S_ISREG(status.st_mode):
            raise GgufInvalid("is not a regular file.")
        if not status.st_size:
            raise GgufInvalid("is empty.", hint="Download it again.")
        with FileSource(path) as source:
            header = read_header(source)
        if status.st_size < header.size_bytes:
            raise GgufInvalid(
                f"is incomplete: it has {status.st_size:,} bytes of {header.size_bytes:,}.",
                hint="The download was cut off: download it again.",
            )
    except FileNotFoundError:
        raise ModelFileNotFound(f"There is no file {path}.") from None
    except OSError as error:
        if refused := not_permitted(error, path, "read"):
            raise refused from None
        raise GgufInvalid(
            f"{path.name} cannot be read: {error.strerror}.",
            hint="See that its disk is well, and mounted.",
            path=str(path),
        ) from None
    except GgufInvalid as error:
        raise GgufInvalid(
            f"{path.name} {error.message}", hint=error.info().hint, path=str(path)
        ) from None
    return header


def _of_folder(path: Path) -> str:
    if ggufs := ggufs_in(path):
        return f"Name a file in it: {ggufs}."
    if is_file(path / "config.json"):
        return f"It may be a checkpoint: `wiz convert {path}` makes a GGUF of it."
    return "There is no .gguf file in it."


def _version(cursor: Cursor) -> int:
    version = cursor.uint32("the version")
    if version & 0xFFFF == 0:
        raise GgufInvalid("is a GGUF file for big-endian machines.")
    if version not in (2, 3):
        raise GgufInvalid(f"has GGUF version {version}; versions 2 and 3 can be read.")
    return version


def _metadata(cursor: Cursor, n_metadata: int) -> tuple[dict[str, Any], dict[str, int], int]:
    metadata: dict[str, Any] = {}
    kinds: dict[str, int] = {}
    alignment = _DEFAULT_ALIGNMENT
    for _ in range(n_metadata):
        key = cursor.text("a metadata key")
        if not key or key in metadata:
            raise GgufInvalid(f"has the key {key!r} twice or empty: it is damaged.")
        kind = kinds[key] = cursor.uint32(key)
        metadata[key] = cursor.value(kind, key)
        if key == "general.alignment":
            alignment = metadata[key]
            if kind != _UINT32 or alignment <= 0 or alignment & (alignment - 1):
                raise GgufInvalid(f"has an alignment of {alignment!r}: it is damaged.")
    return metadata, kinds, alignment


def _tensor(cursor: Cursor) -> Tensor:
    name = cursor.text("a tensor's name", max_bytes=_MAX_NAME_BYTES)
    n_dimensions = cursor.uint32(name)
    if n_dimensions > _MAX_DIMENSIONS:
        raise GgufInvalid(f"has a tensor of {n_dimensions} dimensions: it is damaged.")
    shape = tuple(cursor.uint64(name) for _ in range(n_dimensions))
    kind = cursor.uint32(name)
    offset = cursor.uint64(name)
    n_values = prod(shape)
    # The product of the others as well: a zero would hide an overflow from the library's check.
    if prod(max(n, 1) for n in shape) > _MAX_INT64:
        raise GgufInvalid(f"has tensor {name} of shape {list(shape)}: it is damaged.")
    type = TENSOR_TYPES.get(kind)
    if type is None:
        raise GgufInvalid(
            f"has tensor {name} of type {kind}, which is unknown here.",
            hint="It may need a newer version of this package and of llama-cpp-python.",
        )
    row = shape[0] if shape else 1
    if row % type.block_size:
        raise GgufInvalid(
            f"has tensor {name} with broken rows: {row} values of {type.name}. It is damaged."
        )
    size_bytes = n_values // type.block_size * type.block_bytes
    if offset + size_bytes > _MAX_INT64:
        raise GgufInvalid(f"has tensor {name}, which ends beyond any file: it is damaged.")
    return Tensor(name, shape, type, offset, size_bytes)


def _padded(size: int, alignment: int) -> int:
    return (size + alignment - 1) // alignment * alignment


def _shown(magic: bytes) -> str:
    if magic.startswith(b"PK"):
        return "a zip archive's signature"
    if magic == b"vers":
        return "a git-lfs pointer's text; fetch the file itself"
    if magic.isascii() and magic.decode().isprintable():
        return repr(magic.decode())
    return f"the bytes {magic.hex(' ')}"
