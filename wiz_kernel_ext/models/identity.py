"""Which model a path is: its file, not its name.

A link, a second snapshot of a hub's cache and a relative path lead to the same file; a file that
was replaced under its path is another.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from wiz_kernel_ext.errors import ModelFileNotFound, not_permitted


class FileIdentity(NamedTuple):
    """What tells one file from another; size in bytes, time of change in ns."""

    device: int
    inode: int
    size_bytes: int
    changed_ns: int

    @property
    def key(self) -> str:
        """The same as one text."""
        return ":".join(map(str, self))


def identify(path: Path) -> FileIdentity:
    """The file that `path` leads to; raises ModelFileNotFound, NotPermitted."""
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and (refused := not_permitted(error, path, "read")):
            raise refused from None
        why = getattr(error, "strerror", None) or str(error)
        raise ModelFileNotFound(f"{path} cannot be read: {why}.") from None
    return FileIdentity(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
