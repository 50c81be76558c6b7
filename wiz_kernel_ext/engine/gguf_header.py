"""Is this file a whole GGUF model? Asked before llama.cpp sees it, which aborts on some bad ones.

Reads the header only, in pure Python, with a bound on everything: the file is untrusted. Says what
is wrong in words a person can act on. Format: ggml's docs/gguf.md, versions 2 and 3.
"""

from __future__ import annotations

import os
import re
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from wiz_kernel_ext.engine.ggml_types import block_of
from wiz_kernel_ext.errors import ModelFileNotFound, ModelLoadFailed

MAGIC = b"GGUF"
VERSIONS = (2, 3)
MAX_ENTRIES = 1 << 16
MAX_NAME_BYTES = 1 << 16
MAX_TENSOR_NAME_BYTES = 63
MAX_TEXT_BYTES = 1 << 24
MAX_ITEMS = 1 << 24
MAX_LAYERS = 512
MAX_DIMENSIONS = 4
DEFAULT_ALIGNMENT = 32

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q"}
_SCALARS[12] = "d"
_TEXT, _ARRAY = 8, 9
_VOCABULARY = "tokenizer.ggml.tokens"
_PART = re.compile(r"^(.*)-(\d{5})-of-(\d{5})\.gguf$")


@dataclass
class GgufHeader:
    """What the header says; `metadata` has scalars and texts, None for lists."""

    version: int
    n_tensors: int
    size_bytes: int
    metadata: dict[str, Any] = field(default_factory=dict)
    needed_bytes: int = 0

    @property
    def architecture(self) -> str:
        """The model's architecture, as llama.cpp names it."""
        return str(self.metadata.get("general.architecture", ""))


def check_gguf(path: Path) -> GgufHeader:
    """The header of the model at `path`, all parts of a split one being there.

    Raises ModelFileNotFound, or ModelLoadFailed saying what is wrong with the file.
    """
    header = read_header(path)
    _check_sizes(path, header)
    _check_parts(path, header)
    return header


def read_header(path: Path) -> GgufHeader:
    """Read one file's header and check that its data is all there."""
    try:
        status = path.stat()
    except FileNotFoundError:
        raise ModelFileNotFound(f"There is no file {path}.") from None
    except OSError as error:
        raise _bad(path, f"cannot be read: {error.strerror}") from None
    if stat.S_ISDIR(status.st_mode):
        raise _bad(path, "is a directory", "Give the path of the .gguf file inside it.")
    if not stat.S_ISREG(status.st_mode):
        raise _bad(path, "is not a regular file")
    if not status.st_size:
        raise _bad(path, "is empty", "Download it again.")
    try:
        with path.open("rb", buffering=1 << 20) as file:
            return _Reader(path, file, status.st_size).header()
    except OSError as error:
        raise _bad(path, f"cannot be read: {error.strerror}") from None
    except struct.error:
        raise _bad(path, "ends in the middle of its header", "Download it again.") from None


class _Reader:
    """Reads a header front to back; every length is checked before it is used."""

    def __init__(self, path: Path, file: BinaryIO, size: int) -> None:
        self._path = path
        self._file = file
        self._size = size

    def header(self) -> GgufHeader:
        magic = self._file.read(4)
        if magic != MAGIC:
            raise _bad(self._path, f"is not a GGUF file: it begins with {_shown(magic)}")
        (version,) = self._unpack("I")
        if version not in VERSIONS:
            big_endian = int.from_bytes(struct.pack("<I", version), "big")
            if big_endian in VERSIONS:
                raise _bad(self._path, "is a GGUF file for big-endian machines")
            raise _bad(self._path, f"has GGUF version {version}; versions 2 and 3 can be read")
        n_tensors, n_entries = self._unpack("QQ")
        if not n_tensors:
            raise _bad(self._path, "has no tensors: it is only a vocabulary")
        if n_tensors > MAX_ENTRIES or n_entries > MAX_ENTRIES:
            raise _bad(
                self._path, f"claims {n_tensors} tensors and {n_entries} entries: it is damaged"
            )
        header = GgufHeader(version, n_tensors, self._size)
        for _ in range(n_entries):
            name = self._text(MAX_NAME_BYTES)
            (kind,) = self._unpack("I")
            header.metadata[name] = self._value(name, kind)
        self._tensors(header)
        return header

    def _tensors(self, header: GgufHeader) -> None:
        alignment = header.metadata.get("general.alignment", DEFAULT_ALIGNMENT)
        if not isinstance(alignment, int) or alignment < 8 or alignment & (alignment - 1):
            raise _bad(self._path, f"has an alignment of {alignment}: it is damaged")
        end = 0
        for _ in range(header.n_tensors):
            name = self._text(MAX_TENSOR_NAME_BYTES)
            (n_dimensions,) = self._unpack("I")
            if not 1 <= n_dimensions <= MAX_DIMENSIONS:
                raise _bad(self._path, f"has a tensor of {n_dimensions} dimensions: it is damaged")
            shape = self._unpack("Q" * n_dimensions)
            kind, offset = self._unpack("IQ")
            n_bytes = self._n_bytes(name, shape, kind)
            if offset % alignment:
                raise _bad(self._path, f"has tensor {name} at odd offset {offset}: it is damaged")
            end = max(end, offset + n_bytes)
        at = self._file.tell()
        header.needed_bytes = at + (-at) % alignment + end

    def _n_bytes(self, name: str, shape: tuple[int, ...], kind: int) -> int:
        n = 1
        for length in shape:
            n *= length
        if not 0 < n < 1 << 48:
            raise _bad(self._path, f"has tensor {name} of shape {list(shape)}: it is damaged")
        block = block_of(kind)
        if block is None:
            return 0  # a type newer than this list: llama.cpp will say whether it knows it
        n_items, n_bytes = block
        if shape[0] % n_items:
            raise _bad(self._path, f"has tensor {name} with broken rows: it is damaged")
        return n // n_items * n_bytes

    def _value(self, name: str, kind: int) -> Any:
        if kind in _SCALARS:
            return self._unpack(_SCALARS[kind])[0]
        if kind == _TEXT:
            return self._text(MAX_TEXT_BYTES)
        if kind == _ARRAY:
            self._skip_list(name)
            return None
        raise _bad(self._path, f"has an entry of unknown type {kind}: it is damaged")

    def _skip_list(self, name: str) -> None:
        item, n = self._unpack("IQ")
        if n > MAX_ITEMS:
            raise _bad(self._path, f"claims a list of {n} items: it is damaged")
        if item in _SCALARS:
            self._skip(n * struct.calcsize(f"<{_SCALARS[item]}"))
        elif item == _TEXT and name == _VOCABULARY:
            # llama.cpp reads them up to a zero byte, names empty ones, and aborts on a double.
            words = (text.partition(b"\0")[0] for text in self._texts(n))
            if len({word or f"[EMPTY_{i}]".encode() for i, word in enumerate(words)}) < n:
                raise _bad(self._path, "has the same token twice in its vocabulary: it is damaged")
        elif item == _TEXT:
            for _ in self._texts(n):
                pass
        else:
            raise _bad(self._path, f"has a list of unknown type {item}: it is damaged")

    def _texts(self, n: int) -> Iterator[bytes]:
        read, unpack = self._file.read, struct.Struct("<Q").unpack
        for _ in range(n):
            (length,) = unpack(read(8))
            if length > MAX_NAME_BYTES:
                self._skip(length)
            else:
                yield read(length)

    def _skip(self, n_bytes: int) -> None:
        if self._file.tell() + n_bytes > self._size:
            raise struct.error
        self._file.seek(n_bytes, os.SEEK_CUR)

    def _text(self, limit: int) -> str:
        (length,) = self._unpack("Q")
        if length > limit:
            raise _bad(self._path, f"claims a text of {length} bytes: it is damaged")
        data = self._file.read(length)
        if len(data) != length:
            raise struct.error
        return data.decode("utf-8", "replace")

    def _unpack(self, form: str) -> tuple[Any, ...]:
        form = f"<{form}"
        return struct.unpack(form, self._file.read(struct.calcsize(form)))


def _check_sizes(path: Path, header: GgufHeader) -> None:
    if header.size_bytes < header.needed_bytes:
        raise _bad(
            path,
            f"is incomplete: it has {header.size_bytes:,} bytes of {header.needed_bytes:,}",
            "The download was cut off: download it again.",
        )
    architecture = header.architecture
    if not architecture:
        raise _bad(path, "does not say its architecture (general.architecture)")
    n_layers = header.metadata.get(f"{architecture}.block_count")
    if isinstance(n_layers, int) and not 0 < n_layers <= MAX_LAYERS:
        raise _bad(path, f"claims {n_layers} layers: it is damaged")


def _check_parts(path: Path, header: GgufHeader) -> None:
    n_parts = header.metadata.get("split.count", 0)
    if not isinstance(n_parts, int) or n_parts < 2:
        return
    name = _PART.match(path.name)
    if not name or int(name[3]) != n_parts:
        raise _bad(
            path,
            f"is one of {n_parts} parts, but its name does not say so",
            f"Name the parts NAME-00001-of-{n_parts:05d}.gguf and so on.",
        )
    if header.metadata.get("split.no", 0) != 0:
        first = f"{name[1]}-00001-of-{name[3]}.gguf"
        raise _bad(path, f"is not the first of its {n_parts} parts", f"Give {first}.")
    for number in range(2, n_parts + 1):
        part = path.with_name(f"{name[1]}-{number:05d}-of-{name[3]}.gguf")
        part_header = read_header(part)
        if part_header.size_bytes < part_header.needed_bytes:
            _check_sizes(part, part_header)


def _bad(path: Path, what: str, hint: str | None = None) -> ModelLoadFailed:
    return ModelLoadFailed(f"{path.name} {what}.", hint=hint, path=str(path))


def _shown(magic: bytes) -> str:
    if magic.startswith(b"PK"):
        return "a zip archive's signature"
    if magic == b"vers":
        return "a git-lfs pointer's text; fetch the file itself"
    return repr(magic.decode("ascii")) if magic.isascii() else f"the bytes {magic.hex(' ')}"
