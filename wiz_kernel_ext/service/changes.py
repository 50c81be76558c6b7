"""That something changed: a number that grows, for views that should not ask again and again.

Knows nothing of what changed; a view that hears of it asks for what it shows. Told by operations
when they begin and end, and by the handlers of requests that change something.
"""

from __future__ import annotations

import asyncio
import time


class Changes:
    """A counter to wait on."""

    def __init__(self) -> None:
        # A new service does not repeat the numbers of the one before it.
        self.number = time.time_ns() // 1000
        self._news = asyncio.Event()

    def tell(self) -> None:
        """Something changed."""
        self.number += 1
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def wait(self, seen: int, timeout_s: float) -> int:
        """The number, once it is not `seen` any more, or after `timeout_s`."""
        if self.number == seen:
            news = asyncio.ensure_future(self._news.wait())
            await asyncio.wait({news}, timeout=timeout_s)
            news.cancel()
        return self.number
