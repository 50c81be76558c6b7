"""The headers of model files that were read lately: a load asks for its file's more than once."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from wiz_kernel_ext.gguf_file.header import Header, read_file_header
from wiz_kernel_ext.models.identity import FileIdentity, identify

_N_KEPT = 8


def header_of(path: Path) -> Header:
    """The header of the file at `path`, read again once the file is another.

    Raises GgufInvalid, ModelFileNotFound.
    """
    return _read(path, identify(path))


@lru_cache(maxsize=_N_KEPT)
def _read(path: Path, identity: FileIdentity) -> Header:
    return read_file_header(path)
