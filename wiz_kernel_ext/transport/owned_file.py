"""A small file that only its owner can read, and that is not believed where another could write it.

Written whole or not at all.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import TypeVar

import msgspec

from wiz_kernel_ext.errors import ServiceError

T = TypeVar("T", bound=msgspec.Struct)


def write_owned(path: Path, value: msgspec.Struct) -> None:
    """Write `value` as JSON, readable by its owner only. Raises ServiceError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.unlink(missing_ok=True)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(msgspec.json.encode(value) + b"\n")
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise ServiceError(
            f"{path} cannot be written: {error.strerror}.",
            hint="Make room on its disk, or point WIZ_RUNTIME_DIR and WIZ_DATA_DIR at another.",
        ) from error


def make_private(directory: Path) -> None:
    """Make `directory` and those above it that are missing, each its owner's; raises OSError."""
    for folder in [*reversed(directory.parents), directory]:
        # `parents=True` would make those above with the umask's mode.
        if not folder.is_dir():
            folder.mkdir(mode=0o700, exist_ok=True)


def read_owned(path: Path, kind: type[T]) -> T | None:
    """What the file says; None if it is absent, unreadable or could be somebody else's word."""
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if status.st_uid != os.getuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                return None
            return msgspec.json.decode(file.read(), type=kind)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
