"""Where a GGUF's bytes come from: a file, a stretch of memory, or ranges fetched on demand."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Protocol

_FIRST_FETCH_BYTES = 512 * 1024
_LARGEST_FETCH_BYTES = 8 * 1024 * 1024


class Source(Protocol):
    """Bytes by offset. `size_bytes` is the whole length, None where it is not known."""

    size_bytes: int | None

    def read(self, offset: int, size_bytes: int) -> bytes:
        """Up to `size_bytes` from `offset` on; fewer only at the end."""


class BytesSource:
    """Bytes in memory."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size_bytes: int | None = len(data)

    def read(self, offset: int, size_bytes: int) -> bytes:
        """See `Source`."""
        return self._data[offset : offset + size_bytes]


class FileSource:
    """A file on disk, open until the `with` block ends; raises OSError as `open` does."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self.size_bytes: int | None = os.fstat(self._file.fileno()).st_size

    def read(self, offset: int, size_bytes: int) -> bytes:
        """See `Source`."""
        self._file.seek(offset)
        return self._file.read(size_bytes)

    def __enter__(self) -> FileSource:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()


class RangeSource:
    """A remote file's beginning, fetched in growing steps by `fetch(offset, size_bytes)`.

    What was fetched is kept in `data`; a stretch beyond the next step is skipped, not fetched.
    """

    def __init__(self, fetch: Callable[[int, int], bytes], size_bytes: int | None) -> None:
        self._fetch = fetch
        self._windows: list[tuple[int, bytes]] = []
        self._step_bytes = _FIRST_FETCH_BYTES
        self.size_bytes = size_bytes
        self.n_fetched_bytes = 0

    def read(self, offset: int, size_bytes: int) -> bytes:
        """See `Source`."""
        if self.size_bytes is not None:
            size_bytes = max(0, min(size_bytes, self.size_bytes - offset))
        if not size_bytes:
            return b""
        for start, data in reversed(self._windows):
            if start <= offset and offset + size_bytes <= start + len(data):
                return data[offset - start : offset - start + size_bytes]
        step = max(size_bytes, self._step_bytes)
        if self.size_bytes is not None:
            step = min(step, self.size_bytes - offset)
        self._step_bytes = min(self._step_bytes * 2, _LARGEST_FETCH_BYTES)
        data = self._fetch(offset, step)
        self.n_fetched_bytes += len(data)
        # Reading only goes forward: the window before the last is not asked for again.
        self._windows = [*self._windows[-1:], (offset, data)]
        return data[:size_bytes]
