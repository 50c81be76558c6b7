"""How often a growing text is drawn again: quickly while it is short, rarer as it grows.

Jupyter Server drops what a kernel sends above 1 MB/s; every redraw sends the whole text, so its
rate is bounded in bytes as well. Pure but for the clock it is given.
"""

from __future__ import annotations

from collections.abc import Callable

INTERVAL_S = 0.05
MAX_BYTES_PER_S = 250_000


class Pace:
    """Says whether the next redraw is due; the first one always is."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._next_s: float | None = None

    def due(self, size_bytes: int) -> bool:
        """Whether to draw `size_bytes` now; a yes counts as drawn."""
        now = self._clock()
        # The asker's own beat is INTERVAL_S too: half of it here keeps the two from alternating.
        if self._next_s is not None and now < self._next_s - INTERVAL_S / 2:
            return False
        self._next_s = now + max(INTERVAL_S, size_bytes / MAX_BYTES_PER_S)
        return True
