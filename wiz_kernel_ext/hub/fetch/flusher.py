"""Brings a growing file to the disk while it grows, so that its end need not wait for all of it."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor

_EVERY_BYTES = 64 << 20


class Flusher:
    """Syncs `file` (a descriptor) about every 64 MiB, beside the writer; a context manager."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._n_unsynced = 0
        self._running: Future[None] | None = None

    def __enter__(self) -> Flusher:
        self._thread = ThreadPoolExecutor(1)
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()

    def wrote(self, n_bytes: int) -> None:
        """So much more was written."""
        self._n_unsynced += n_bytes
        if self._n_unsynced >= _EVERY_BYTES and (self._running is None or self._running.done()):
            self._n_unsynced = 0
            self._running = self._thread.submit(os.fsync, self._file)

    def finish(self) -> None:
        """All that was written is on the disk; raises OSError where it cannot be."""
        if self._running is not None:
            self._running.result()
        os.fsync(self._file)
