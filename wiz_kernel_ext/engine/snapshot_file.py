"""One cached sequence in a file: its tokens and what the context had computed of them.

    magic | length of the head | head (JSON) | tokens (int32) | CRC-32 of all so far | the copy

The head has the copy's length and CRC-32, so that the beginning of a file can be believed without
reading all of it, and all of it once it is read. Whatever is not as it was written is `Damaged`.
"""

from __future__ import annotations

import contextlib
import os
import stat
import struct
import sys
import zlib
from array import array
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

import msgspec

from wiz_kernel_ext.engine.backend import Saved

_MAGIC = b"wizkv\x01\r\n"
_MAX_HEAD_BYTES = 4096
_AT_ONCE = 8 << 20
_LENGTH = struct.Struct("<I")


class Damaged(Exception):
    """A file that is not what was written."""


class Head(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the copy can be restored into (`fingerprint`), and what it must be."""

    fingerprint: str
    n_tokens: int
    n_bytes: int
    crc: int


@dataclass(frozen=True)
class Beginning:
    """All that stands before the copy."""

    head: Head
    tokens: list[int]


def file_bytes(n_tokens: int, saved: Saved) -> int:
    """About the bytes of a file."""
    return _MAX_HEAD_BYTES + 4 * n_tokens + saved.n_bytes


def write_snapshot(path: Path, fingerprint: str, tokens: list[int], saved: Saved) -> None:
    """Write the file, whole or not at all; raises OSError, also where its folder is gone."""
    data = memoryview(saved.data)[: saved.n_bytes]
    head = Head(fingerprint=fingerprint, n_tokens=len(tokens), n_bytes=len(data), crc=_crc(data))
    encoded = msgspec.json.encode(head)
    start = _MAGIC + _LENGTH.pack(len(encoded)) + encoded + _packed(tokens)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with FileIO(descriptor, "wb") as file:
            _write_all(file, memoryview(start + _LENGTH.pack(_crc(memoryview(start)))))
            for i in range(0, len(data), _AT_ONCE):
                _write_all(file, data[i : i + _AT_ONCE])
            os.fsync(descriptor)
        unfinished.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise


def read_beginning(path: Path, fingerprint: str) -> Beginning:
    """The tokens of a file, and what must follow; raises Damaged, OSError."""
    with _opened(path) as file:
        return _beginning(file, fingerprint)


def read_snapshot(path: Path, fingerprint: str, tokens: list[int]) -> Saved:
    """The copy in a file, which is of `tokens`; raises Damaged, OSError.

    Raises FileNotFoundError where another one has taken its place.
    """
    with _opened(path) as file:
        found = _beginning(file, fingerprint)
        if found.tokens != tokens:
            raise FileNotFoundError(f"{path} is another by now")
        # Read, not mapped: a file that is cut while it is mapped would end the process.
        data = bytearray(found.head.n_bytes)
        view, done = memoryview(data), 0
        while n := file.readinto(view[done : done + _AT_ONCE]):
            done += n
    if done != len(data) or _crc(view) != found.head.crc:
        raise Damaged(f"{path} is damaged")
    return Saved(data, len(data))


def _opened(path: Path) -> FileIO:
    # Neither a link nor a pipe, which would never end, is a file of ours.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
        os.close(descriptor)
        raise Damaged(f"{path} is no file of ours")
    return FileIO(descriptor, "rb")


def _beginning(file: FileIO, fingerprint: str) -> Beginning:
    size_bytes = os.fstat(file.fileno()).st_size
    start = file.read(len(_MAGIC) + _LENGTH.size)
    if len(start) != len(_MAGIC) + _LENGTH.size or start[: len(_MAGIC)] != _MAGIC:
        raise Damaged("not a snapshot")
    (n_head,) = _LENGTH.unpack(start[len(_MAGIC) :])
    if n_head > _MAX_HEAD_BYTES:
        raise Damaged("its head is too long")
    encoded = file.read(n_head)
    try:
        head = msgspec.json.decode(encoded, type=Head)
    except (msgspec.MsgspecError, ValueError):
        raise Damaged("its head is damaged") from None
    n_start = len(start) + n_head + 4 * head.n_tokens + _LENGTH.size
    if head.n_tokens < 0 or head.n_bytes < 0 or size_bytes != n_start + head.n_bytes:
        raise Damaged("it is cut")
    packed = file.read(4 * head.n_tokens)
    if file.read(_LENGTH.size) != _LENGTH.pack(_crc(memoryview(start + encoded + packed))):
        raise Damaged("its beginning is damaged")
    if head.fingerprint != fingerprint:
        raise Damaged("it is another model's")
    return Beginning(head, _unpacked(packed))


def _write_all(file: FileIO, data: memoryview) -> None:
    while data:
        data = data[file.write(data) :]


def _crc(data: memoryview) -> int:
    crc = 0
    for i in range(0, len(data), _AT_ONCE):
        crc = zlib.crc32(data[i : i + _AT_ONCE], crc)
    return crc


def _packed(tokens: list[int]) -> bytes:
    return _little(array("i", tokens)).tobytes()


def _unpacked(packed: bytes) -> list[int]:
    tokens = array("i")
    tokens.frombytes(packed)
    return _little(tokens).tolist()


def _little(numbers: array[int]) -> array[int]:
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
