"""A small JSON file that several processes change: read, changed and replaced under a lock."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from wiz_kernel_ext.errors import StoreError

T = TypeVar("T", bound=msgspec.Struct)

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


class JsonFile(Generic[T]):
    """One struct of type `kind`, kept at `path`; an absent file is the struct's defaults.

    A file that cannot be understood is moved aside, not overwritten. It is its owner's alone,
    whatever the umask, and so is a folder made for it. Raises StoreError where the disk refuses.
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
        except (msgspec.DecodeError, UnicodeDecodeError):
            with contextlib.suppress(OSError):
                self._path.replace(self._path.with_name(f"{self._path.name}.unreadable"))
            return self._kind()

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
