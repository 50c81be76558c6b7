"""A small JSON file that several processes change: read, changed and replaced under a lock."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec
import msgspec.structs

from wiz_kernel_ext.errors import StoreError

T = TypeVar("T", bound=msgspec.Struct)

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


class JsonFile(Generic[T]):
    """One struct of type `kind`, kept at `path`; an absent file is the struct's defaults.

    Of one that cannot be understood a copy is put aside, and what can be is read: one bad entry
    costs itself. It is its owner's alone, whatever the umask, and so is a folder made for it.
    Raises StoreError where the disk refuses.
    """

    def __init__(self, path: Path, kind: type[T]) -> None:
        self._path = path
        self._kind = kind

    def read(self) -> T:
        """What is kept now."""
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return self._kind()
        except OSError as error:
            raise self._refused(error) from None
        try:
            return msgspec.json.decode(data, type=self._kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            with contextlib.suppress(OSError):
                self._path.with_name(f"{self._path.name}.unreadable").write_bytes(data)
            return _what_can_be_read(data, self._kind)

    @contextlib.contextmanager
    def changing(self) -> Iterator[T]:
        """What is kept now, to be changed in place; kept when the block ends well."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock_file = self._path.with_name(f".{self._path.name}.lock")
            lock = os.open(lock_file, os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise self._refused(error) from None
        try:
            self._lock(lock)
            value = self.read()
            yield value
            self._write(value)
        finally:
            os.close(lock)

    def _write(self, value: T) -> None:
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}.tmp")
        try:
            temporary.unlink(missing_ok=True)
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(value)))
            temporary.replace(self._path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise self._refused(error) from None

    def _lock(self, handle: int) -> None:
        """Wait for the lock, where the file system has locks.

        Some network file systems have none. There, of two who change the file at once one may lose
        its change; the file is still replaced as a whole, and is of use.
        """
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise self._refused(error) from None

    def _refused(self, error: OSError) -> StoreError:
        return StoreError(
            f"{self._path} cannot be kept: {error.strerror or error}.", path=str(self._path)
        )


def _what_can_be_read(data: bytes, kind: type[T]) -> T:
    """The fields of `kind`, and of those that are tables the entries, that are as they should."""
    try:
        found = json.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return kind()
    good: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        value = found.get(field.encode_name) if isinstance(found, dict) else None
        if value is None:
            continue
        if isinstance(value, dict):
            value = {
                key: one for key, one in value.items() if _is({field.encode_name: {key: one}}, kind)
            }
        if _is({field.encode_name: value}, kind):
            good[field.encode_name] = value
    return msgspec.convert(good, kind)


def _is(values: dict[str, Any], kind: type[msgspec.Struct]) -> bool:
    """Whether `kind` takes `values`, and they can be written again."""
    try:
        msgspec.json.encode(msgspec.convert(values, kind))
    except (msgspec.ValidationError, UnicodeEncodeError):
        return False
    return True
