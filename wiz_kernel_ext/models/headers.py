"""Model files: their headers, read lately, since a load asks more than once, and their sizes."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from wiz_kernel_ext.gguf_file.header import Header, read_file_header
from wiz_kernel_ext.models.identity import FileIdentity, identify
from wiz_kernel_ext.models.repo_files import split_parts

_N_KEPT = 8


def header_of(path: Path) -> Header:
    """The header of the file at `path`, read again once the file is another.

    Raises GgufInvalid, ModelFileNotFound.
    """
    return _read(path, identify(path))


def files_bytes(path: Path) -> int:
    """The size of the model at `path`, with all parts of a split one that are here."""
    parts = split_parts(path.name)
    files = [path.with_name(part) for part in parts] if parts else [path]
    return sum(part.stat().st_size for part in files if part.is_file())


@lru_cache(maxsize=_N_KEPT)
def _read(path: Path, identity: FileIdentity) -> Header:
    return read_file_header(path)
