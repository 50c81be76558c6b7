"""The thread that SQLite is used from, so that the loop never waits for a disk.

One call at a time, in the order they were made. A thread that is gone is replaced, and the log
says so.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

log = logging.getLogger(__name__)


class StoreThread:
    """Runs functions one after the other."""

    def __init__(self) -> None:
        self._closed = False
        self._pool = _pool()

    async def run(self, function: Callable[[], T]) -> T:
        """What `function` returns or raises, computed on the thread."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._pool, function)
        except RuntimeError as error:
            if self._closed or not self._is_gone():
                raise
            log.error("The thread that writes records is gone (%s): another begins.", error)
            self._pool = _pool()
        return await loop.run_in_executor(self._pool, function)

    def _is_gone(self) -> bool:
        try:
            self._pool.submit(int).cancel()
        except RuntimeError:
            return True
        return False

    def close(self) -> None:
        """Take no more; returns when what was taken is done."""
        self._closed = True
        self._pool.shutdown()


def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="wiz-store")
