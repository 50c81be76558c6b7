"""A stand-in for a model's file: its real header, then nothing, at the real length.

The hole takes no disk where the file system has sparse files. llama.cpp can open one without
loading the weights, and says what memory it would ask for.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from wiz_kernel_ext.gguf_file.header import Header
from wiz_kernel_ext.gguf_file.source import Source

_STEP_BYTES = 1024 * 1024


def write_skeleton(source: Source, header: Header, path: Path) -> None:
    """Write the skeleton of `source`'s file at `path`; raises OSError where there is no room.

    Where the file system has no holes of that length, it is the header alone.
    """
    with path.open("wb") as file:
        at = 0
        while at < header.data_offset:
            data = source.read(at, min(_STEP_BYTES, header.data_offset - at))
            if not data:
                break
            file.write(data)
            at += len(data)
        with contextlib.suppress(OSError):
            file.truncate(header.size_bytes)
