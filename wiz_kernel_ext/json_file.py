"""A small JSON file that several processes change: read, changed and replaced under a lock."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from wiz_kernel_ext.errors import StoreError

T = TypeVar("T", bound=msgspec.Struct)


class JsonFile(Generic[T]):
    """One struct of type `kind`, kept at `path`; an absent file is the struct's defaults.

    A file that cannot be understood is moved aside, not overwritten. With `private`, it is its
    owner's alone, and so is a folder made for it. Raises StoreError where the disk refuses.
    """

    def __init__(self, path: Path, kind: type[T], *, private: bool = False) -> None:
        self._path = path
        self._kind = kind
        self._private = private

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
            mode = 0o700 if self._private else 0o777
            self._path.parent.mkdir(mode=mode, parents=True, exist_ok=True)
            lock = os.open(self._path.with_name(f".{self._path.name}.lock"), os.O_CREAT | os.O_RDWR)
        except OSError as error:
            raise self._refused(error) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            value = self.read()
            yield value
            self._write(value)
        finally:
            os.close(lock)

    def _write(self, value: T) -> None:
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}.tmp")
        try:
            temporary.write_bytes(msgspec.json.format(msgspec.json.encode(value)))
            if self._private:
                temporary.chmod(0o600)
            temporary.replace(self._path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise self._refused(error) from None

    def _refused(self, error: OSError) -> StoreError:
        return StoreError(
            f"{self._path} cannot be kept: {error.strerror or error}.", path=str(self._path)
        )
