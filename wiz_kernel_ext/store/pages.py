"""A SQLite file read page by page, without SQLite: what there is of the rows of a damaged one.

Knows the file format (b-tree leaves, overflow pages, the free list, the write-ahead log), not what
the rows mean. Believes nothing: a page, a cell or a record that cannot be is passed over.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MAGIC = b"SQLite format 3\0"
DEFAULT_PAGE_SIZE = 4096
_INTERIOR_INDEX, _LEAF_INDEX, _LEAF_TABLE = 2, 10, 13
_INT_SIZES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
_WAL_MAGICS = {0x377F0682: "<", 0x377F0683: ">"}

Value = None | int | float | str | bytes


@dataclass(frozen=True)
class Record:
    """A row: its number where its table has such (else None), and its values as they are stored.

    `is_whole`: they are as long as the row says. Of one that is not some are lost (None) or wrong.
    """

    rowid: int | None
    values: tuple[Value, ...]
    is_whole: bool = True


class _Impossible(Exception):
    """What was read cannot be."""


class Pages:
    """The pages of a database as its last complete transaction left them.

    `page_size` is what the file says unless given. Reads the files into memory; raises OSError.
    """

    def __init__(self, path: Path, page_size: int | None = None) -> None:
        self._data = path.read_bytes()
        said = _page_size(self._data)
        self.page_size = page_size or said or DEFAULT_PAGE_SIZE
        self.user_version = 0
        wal = path.with_name(path.name + "-wal")
        self._newer = _committed(wal.read_bytes(), self.page_size) if wal.is_file() else {}
        self.n_pages = max([len(self._data) // self.page_size, *self._newer])
        if (first := self.page(1))[:16] == MAGIC:
            self.user_version = struct.unpack_from(">i", first, 60)[0]

    def page(self, number: int) -> bytes:
        """One page, numbered from 1; empty if there is none."""
        newer = self._newer.get(number)
        start = (number - 1) * self.page_size
        return self._data[start : start + self.page_size] if newer is None else newer

    def records(self) -> Iterator[Record]:
        """Every row of every table and index, in no order; what is deleted is not among them."""
        free = self._free()
        for number in range(1, self.n_pages + 1):
            if number not in free:
                yield from self._records_of(number)

    def _free(self) -> set[int]:
        """The pages that are not in use: what they have is older. None where that is damaged."""
        first = self.page(1)
        if first[:16] != MAGIC or len(first) < self.page_size:
            return set()
        free: set[int] = set()
        trunk, n_free = struct.unpack_from(">II", first, 32)
        while trunk and trunk not in free and len(page := self.page(trunk)) == self.page_size:
            free.add(trunk)
            trunk, n_leaves = struct.unpack_from(">II", page, 0)
            if n_leaves > self.page_size // 4 - 2:
                return set()
            free.update(struct.unpack_from(f">{n_leaves}I", page, 8))
        is_right = not trunk and len(free) == n_free and all(1 < n <= self.n_pages for n in free)
        return free if is_right else set()

    def _records_of(self, number: int) -> Iterator[Record]:
        page = self.page(number)
        at = 100 if number == 1 else 0
        if len(page) < self.page_size or page[at] not in (
            *(_INTERIOR_INDEX, _LEAF_INDEX, _LEAF_TABLE),
        ):
            return
        kind = page[at]
        first = at + (12 if kind == _INTERIOR_INDEX else 8)
        (n_cells,) = struct.unpack_from(">H", page, at + 3)
        n_cells = min(n_cells, (self.page_size - first) // 2)
        for cell in struct.unpack_from(f">{n_cells}H", page, first):
            # One that points out of its page is taken as SQLite takes it.
            if record := self._record(page, cell % self.page_size, kind):
                yield record

    def _record(self, page: bytes, at: int, kind: int) -> Record | None:
        if kind == _INTERIOR_INDEX:
            at += 4
        rowid = None
        try:
            size, at = _varint(page, at)
            if kind == _LEAF_TABLE:
                rowid, at = _varint(page, at)
            return Record(rowid, *_values(self._payload(page, at, size, kind)))
        except (_Impossible, IndexError, struct.error):
            return None

    def _payload(self, page: bytes, at: int, size: int, kind: int) -> bytes:
        """The whole of a record, of which what is long goes on in pages of its own."""
        if size > len(self._data) + self.page_size * len(self._newer):
            raise _Impossible
        usable = self.page_size
        at_most = usable - 35 if kind == _LEAF_TABLE else (usable - 12) * 64 // 255 - 23
        if size <= at_most:
            local = size
        else:
            at_least = (usable - 12) * 32 // 255 - 23
            local = at_least + (size - at_least) % (usable - 4)
            local = local if local <= at_most else at_least
        parts = [page[at : at + local]]
        if len(parts[0]) < local:
            raise _Impossible
        if size > local:
            (following,) = struct.unpack_from(">I", page, at + local)
            missing = size - local
            while missing > 0:
                overflow = self.page(following) if following > 1 else b""
                if len(overflow) < self.page_size:
                    raise _Impossible
                part = overflow[4 : 4 + missing]
                parts.append(part)
                missing -= len(part)
                (following,) = struct.unpack_from(">I", overflow, 0)
        return b"".join(parts)


def _page_size(data: bytes) -> int | None:
    if len(data) < 100 or data[:16] != MAGIC:
        return None
    (size,) = struct.unpack_from(">H", data, 16)
    size = 65536 if size == 1 else size
    return size if size >= 512 and size & (size - 1) == 0 else None


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of one to nine bytes, and where what follows it begins."""
    value = 0
    for i in range(8):
        byte = data[at + i]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + i + 1
    value = value << 8 | data[at + 8]
    return (value - 2**64 if value >= 2**63 else value), at + 9


def _values(payload: bytes) -> tuple[tuple[Value, ...], bool]:
    """The values, and whether they are all there."""
    end_of_header, at = _varint(payload, 0)
    if not at <= end_of_header <= len(payload):
        raise _Impossible
    body = end_of_header
    values: list[Value] = []
    is_whole = True
    while at < end_of_header:
        kind, at = _varint(payload, at)
        size = _size(kind)
        if size is None or body + size > len(payload):
            is_whole = False
            values.append(None)
            continue
        values.append(_value(payload[body : body + size], kind))
        body += size
    if at != end_of_header:
        raise _Impossible
    return tuple(values), is_whole and body == len(payload)


def _size(kind: int) -> int | None:
    """How many bytes a value of that kind has; None if there is no such kind."""
    if kind in _INT_SIZES:
        return _INT_SIZES[kind]
    if kind >= 12:
        return (kind - 12) // 2
    return {0: 0, 7: 8, 8: 0, 9: 0}.get(kind)


def _value(data: bytes, kind: int) -> Value:
    if kind == 0:
        return None
    if kind in _INT_SIZES:
        return int.from_bytes(data, "big", signed=True)
    if kind == 7:
        number: float = struct.unpack(">d", data)[0]
        return number
    if kind in (8, 9):
        return kind - 8
    return data.decode(errors="replace") if kind % 2 else data


def _committed(wal: bytes, page_size: int) -> dict[int, bytes]:
    """The pages that a write-ahead log has in place of the file's: those of whole transactions."""
    if len(wal) < 32:
        return {}
    order = _WAL_MAGICS.get(int.from_bytes(wal[:4], "big"))
    if order is None or struct.unpack_from(">I", wal, 8)[0] != page_size:
        return {}
    sums = _checksum(wal[:24], (0, 0), order)
    pages: dict[int, bytes] = {}
    pending: dict[int, bytes] = {}
    for at in range(32, len(wal) - page_size - 23, page_size + 24):
        number, n_pages = struct.unpack_from(">II", wal, at)
        body = wal[at + 24 : at + 24 + page_size]
        sums = _checksum(body, _checksum(wal[at : at + 8], sums, order), order)
        if wal[at + 8 : at + 16] != wal[16:24] or sums != struct.unpack_from(">II", wal, at + 16):
            break
        pending[number] = body
        if n_pages:
            pages.update(pending)
            pages = {n: page for n, page in pages.items() if n <= n_pages}
            pending = {}
    return pages


def _checksum(data: bytes, sums: tuple[int, int], order: str) -> tuple[int, int]:
    a, b = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for i in range(0, len(words), 2):
        a = (a + words[i] + b) & 0xFFFFFFFF
        b = (b + words[i + 1] + a) & 0xFFFFFFFF
    return a, b
