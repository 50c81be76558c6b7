"""A running checksum, computed in a thread beside the transfer."""

from __future__ import annotations

import hashlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

N_BEHIND = 16
"""As many pieces may wait to be computed."""


def is_checksum(etag: str) -> bool:
    """Whether a file's name on the hub is a checksum of it: sha256, or git's sha1."""
    return len(etag) in (40, 64) and all(char in "0123456789abcdef" for char in etag)


class Digest:
    """The checksum of a file of `size_bytes`, of the kind that `etag` is; a context manager."""

    def __init__(self, etag: str, size_bytes: int) -> None:
        if len(etag) == 40:
            self._hash = hashlib.sha1(b"blob %d\0" % size_bytes, usedforsecurity=False)
        else:
            self._hash = hashlib.sha256()
        self._pending: deque[Future[None]] = deque()

    def __enter__(self) -> Digest:
        self._thread = ThreadPoolExecutor(1)
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)

    def add(self, data: bytes | memoryview) -> None:
        """Take more, which stays as it is until `N_BEHIND` more came; waits if far behind."""
        self._pending.append(self._thread.submit(self._hash.update, data))
        while len(self._pending) > N_BEHIND:
            self._pending.popleft().result()

    def result(self) -> str:
        """The checksum, in hexadecimal digits."""
        for future in self._pending:
            future.result()
        return self._hash.hexdigest()
