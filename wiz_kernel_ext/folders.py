"""What lies in a folder: an entry that cannot be read, or named here, hides itself and no other.

Left out are links that lead nowhere, what permissions or a broken disk keep from us, and names
that are no text (bytes that are no UTF-8): they could be neither shown nor sent.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

_N_NAMED = 5
_N_FOLDERS = 50


def entries(folder: Path) -> list[Path]:
    """What is directly in `folder`, by name; nothing where it cannot be listed."""
    try:
        names = os.listdir(folder)  # noqa: PTH208 - an error of iterdir may come in the middle
    except OSError:
        return []
    return [folder / name for name in sorted(names) if is_text(name)]


def files_below(folder: Path) -> list[Path]:
    """The files of `folder` and its subfolders, links to files too, by path."""

    def found() -> Iterator[Path]:
        for place, _, names in os.walk(folder):
            yield from (Path(place, name) for name in names)

    return sorted(path for path in found() if is_text(str(path)) and is_file(path))


def ggufs_in(folder: Path) -> str:
    """The GGUF files of a folder and of those in it, in words; "" where there is none."""
    below = [path for path in entries(folder) if path.suffix.lower() != ".gguf"]
    found = [*entries(folder), *(path for one in below[:_N_FOLDERS] for path in entries(one))]
    names = [str(path) for path in found if path.suffix.lower() == ".gguf" and is_file(path)]
    more = f" and {len(names) - _N_NAMED} more" if len(names) > _N_NAMED else ""
    return f"{', '.join(names[:_N_NAMED])}{more}"


def status(path: Path) -> os.stat_result | None:
    """What `path.stat()` says; None where it cannot be asked."""
    try:
        return path.stat()
    except (OSError, ValueError):
        return None


def is_file(path: Path) -> bool:
    """Whether there is a file, as far as may be known: `Path.is_file` raises for some errors."""
    found = status(path)
    return found is not None and stat.S_ISREG(found.st_mode)


def is_folder(path: Path) -> bool:
    """The same for a folder."""
    found = status(path)
    return found is not None and stat.S_ISDIR(found.st_mode)


def may_write(folder: Path) -> bool:
    """Whether this process may make and delete files in `folder`."""
    effective = os.access in os.supports_effective_ids
    return os.access(folder, os.W_OK | os.X_OK, effective_ids=effective)


def is_text(name: str) -> bool:
    """Whether `name` can be encoded: a file's name of other bytes has lone surrogates."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def size_of(path: Path) -> int:
    """The size of a file in bytes; 0 where it cannot be asked."""
    found = status(path)
    return found.st_size if found else 0


def changed_at(path: Path) -> float:
    """When `path` was changed, in seconds since the epoch; 0 where it cannot be asked."""
    found = status(path)
    return found.st_mtime if found else 0.0
