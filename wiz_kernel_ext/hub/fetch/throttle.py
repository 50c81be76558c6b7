"""A bound on the speed of all transfers of one process together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Throttle:
    """Lets `limit_bytes_per_s` through on average; None is no bound."""

    def __init__(
        self,
        limit_bytes_per_s: float | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._limit = limit_bytes_per_s
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._free_at = clock()

    def take(self, n_bytes: int) -> None:
        """Wait until `n_bytes` that just came are paid for."""
        if not self._limit:
            return
        with self._lock:
            now = self._clock()
            self._free_at = max(self._free_at, now) + n_bytes / self._limit
            wait_s = self._free_at - now
        self._sleep(wait_s)
