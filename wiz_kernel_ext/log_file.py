"""The end of a log file: the one way in which every part that shows one reads it."""

from __future__ import annotations

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
