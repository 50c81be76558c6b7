"""The end of a log file: how every part that shows one reads it, and what is left of a long one."""

from __future__ import annotations

import os
from pathlib import Path

_BLOCK_BYTES = 8192


def last_lines(file: Path, n_lines: int, *, end: int | None = None) -> list[str]:
    """The last lines of `file` before byte `end`, without empty ones; none if it cannot be read."""
    if n_lines <= 0:
        return []
    try:
        with file.open("rb") as stream:
            start = file.stat().st_size if end is None else end
            data, lines = b"", list[bytes]()
            # One more than asked for: the first may have lost its beginning.
            while start > 0 and len(lines) <= n_lines:
                size = min(_BLOCK_BYTES, start)
                start -= size
                stream.seek(start)
                data = stream.read(size) + data
                lines = [line for line in data.splitlines() if line.strip()]
    except OSError:
        return []
    return [line.decode(errors="replace").rstrip() for line in lines[-n_lines:]]


def shorten(file: Path, most_bytes: int) -> None:
    """Leave the last half of `most_bytes` of a log that is longer; nothing if that cannot be.

    Whoever writes to it must append, and may go on meanwhile: a line of that very moment is lost.
    """
    try:
        if file.stat().st_size <= most_bytes:
            return
        with file.open("rb+") as stream:
            stream.seek(-(most_bytes // 2), os.SEEK_END)
            data = stream.read(most_bytes // 2)
            stream.truncate(0)
        with file.open("ab") as stream:
            stream.write(b"(what was said before is gone: the log was full)\n")
            stream.write(data.partition(b"\n")[2] or data)
    except OSError:
        return
