"""Walks forward through a header's bytes, value by value, within a bound.

Knows GGUF's value types, not what they mean. Long arrays are walked over, not kept.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from wiz_kernel_ext.errors import GgufInvalid
from wiz_kernel_ext.gguf_file.source import Source

_SCALARS: dict[int, struct.Struct] = {
    0: struct.Struct("<B"),
    1: struct.Struct("<b"),
    2: struct.Struct("<H"),
    3: struct.Struct("<h"),
    4: struct.Struct("<I"),
    5: struct.Struct("<i"),
    6: struct.Struct("<f"),
    7: struct.Struct("<?"),
    10: struct.Struct("<Q"),
    11: struct.Struct("<q"),
    12: struct.Struct("<d"),
}
_STRING, _ARRAY = 8, 9
_NAMES = {
    0: "u8", 1: "i8", 2: "u16", 3: "i16", 4: "u32", 5: "i32", 6: "f32",
    7: "bool", 8: "string", 10: "u64", 11: "i64", 12: "f64",
}  # fmt: skip
_LENGTH = struct.Struct("<Q")
_MAX_STRING_BYTES = 16 * 1024 * 1024
_REREAD_BYTES = 1 << 20
_MAX_KEY_BYTES = 65_535
_MAX_ARRAY = 64 * 1024 * 1024
_WINDOW_BYTES = 64 * 1024
_N_KEPT = 1024
"""Enough for values by layer; vocabularies are longer."""


@dataclass(frozen=True)
class GgufArray:
    """An array: `values` are its first 1024 at most, `count` how many there are.

    `offset` is where the first value lies, in bytes from the file's beginning.
    """

    type: str
    count: int
    offset: int
    values: tuple[Any, ...]


class Cursor:
    """The position in a header being read; what is not there or too long raises GgufInvalid."""

    def __init__(self, source: Source, max_bytes: int) -> None:
        self._source = source
        size_bytes = source.size_bytes
        self._bounded_by_source = size_bytes is not None and size_bytes <= max_bytes
        self._end = max_bytes if size_bytes is None else min(size_bytes, max_bytes)
        self._buffer = b""
        self._buffer_at = 0
        self.position = 0

    def take(self, size_bytes: int, what: str) -> bytes:
        """The next `size_bytes` bytes."""
        start = self._ensure(size_bytes, what)
        self.position += size_bytes
        return self._buffer[start : start + size_bytes]

    def uint32(self, what: str) -> int:
        """The next four bytes as a number."""
        return int.from_bytes(self.take(4, what), "little")

    def uint64(self, what: str) -> int:
        """The next eight bytes as a number."""
        return int.from_bytes(self.take(8, what), "little")

    def text(self, what: str, max_bytes: int = _MAX_KEY_BYTES) -> str:
        """The next string; bytes that are no UTF-8 are replaced."""
        length = self.uint64(what)
        if length > max_bytes:
            raise GgufInvalid(f"claims {what[:100]} of {length} bytes: it is damaged.")
        return self.take(length, what).decode("utf-8", "replace")

    def value(self, kind: int, what: str) -> Any:
        """The next value of the type numbered `kind`."""
        if kind == _STRING:
            return self.text(what, _MAX_STRING_BYTES)
        if kind == _ARRAY:
            return self._array(what)
        scalar = _SCALARS.get(kind)
        if scalar is None:
            raise GgufInvalid(f"has {what[:100]} of unknown type {kind}: it is damaged.")
        return scalar.unpack(self.take(scalar.size, what))[0]

    def _array(self, what: str) -> GgufArray:
        kind = self.uint32(what)
        count = self.uint64(what)
        if kind not in _NAMES:
            raise GgufInvalid(f"has a list of unknown type {kind} ({what[:100]}): it is damaged.")
        if count > _MAX_ARRAY:
            raise GgufInvalid(f"claims {count} values of {what[:100]}: it is damaged.")
        offset = self.position
        scalar = _SCALARS.get(kind)
        if scalar is None:
            values = tuple(self.text(what, _MAX_STRING_BYTES) for _ in range(min(count, _N_KEPT)))
            self._skip_strings(count - len(values), what)
            return GgufArray(_NAMES[kind], count, offset, values)
        if offset + count * scalar.size > self._end:
            self._too_short(what)
        kept = self.take(min(count, _N_KEPT) * scalar.size, what)
        self.position = offset + count * scalar.size
        return GgufArray(
            _NAMES[kind], count, offset, tuple(value for (value,) in scalar.iter_unpack(kept))
        )

    def _skip_strings(self, count: int, what: str) -> None:
        # The one hot loop: a vocabulary has up to a few hundred thousand strings.
        unpack, size = _LENGTH.unpack_from, _LENGTH.size
        for _ in range(count):
            start = self.position - self._buffer_at
            if start < 0 or start + size > len(self._buffer):
                start = self._ensure(size, what)
            (length,) = unpack(self._buffer, start)
            if length > _MAX_STRING_BYTES:
                raise GgufInvalid(
                    f"claims a text of {length} bytes in {what[:100]}: it is damaged."
                )
            self.position += size + length
            if self.position > self._end:
                self._too_short(what)

    def _ensure(self, size_bytes: int, what: str) -> int:
        """Where the next `size_bytes` begin in the buffer, which is filled so far."""
        start = self.position - self._buffer_at
        if start >= 0 and start + size_bytes <= len(self._buffer):
            return start
        if self.position + size_bytes > self._end:
            self._too_short(what)
        size = min(max(size_bytes, _WINDOW_BYTES), self._end - self.position)
        self._buffer = self._source.read(self.position, size)
        self._buffer_at = self.position
        if len(self._buffer) < size_bytes:
            raise _cut(what)
        return 0

    def _too_short(self, what: str) -> NoReturn:
        if self._bounded_by_source:
            raise _cut(what)
        raise GgufInvalid(f"has a header longer than {self._end} bytes ({what[:100]}).")


def array_texts(source: Source, array: GgufArray) -> Iterator[bytes]:
    """All strings of a long array, which a header has only the first of; GgufInvalid if cut off."""
    left = array.count if array.type == _NAMES[_STRING] else 0
    unpack, size = _LENGTH.unpack_from, _LENGTH.size
    buffer, at, start = b"", array.offset, 0
    # Hundreds of thousands in one loop: no call for each but the one that yields.
    while left:
        end = start + size
        if end <= len(buffer):
            end += unpack(buffer, start)[0]
        if end > len(buffer):
            if end - start > _MAX_STRING_BYTES + size:
                raise GgufInvalid(f"claims a text of {end - start - size} bytes: it is damaged.")
            at += start
            n_wanted = max(_REREAD_BYTES, end - start)
            buffer, start, n_needed = source.read(at, n_wanted), 0, end - start
            if len(buffer) < n_needed:
                raise _cut("a text")
            continue
        yield buffer[start + size : end]
        start, left = end, left - 1


def _cut(what: str) -> GgufInvalid:
    return GgufInvalid(
        f"ends in the middle of its header ({what[:100]}).", hint="Download it again."
    )
