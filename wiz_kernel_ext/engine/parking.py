"""Cached sequences that were moved out of the KV memory, kept in the host's until they are wanted.

Every cell in use makes every step slower for everybody, used by it or not; a copy in host memory
costs nothing and comes back a thousand times faster than its tokens are computed. Pure; called by
`kv_memory.py`.
"""

from __future__ import annotations

from wiz_kernel_ext.engine.backend import Saved
from wiz_kernel_ext.engine.tiers import FIRST_PARKED, Tier


class Parking(Tier):
    """Saved sequences by number, at most `most_bytes`; the least recently used go first."""

    moves = True

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._saved: dict[int, Saved] = {}
        self._n_bytes = 0
        self._next = FIRST_PARKED

    def __len__(self) -> int:
        return len(self._saved)

    def __contains__(self, number: int) -> bool:
        return number in self._saved

    @property
    def n_bytes(self) -> int:
        """What is kept, in bytes."""
        return self._n_bytes

    def put(self, saved: Saved) -> tuple[int | None, list[int]]:
        """Keep `saved`: its number, or None if it is too large, and the numbers that made way."""
        if saved.n_bytes > self._most_bytes:
            return None, []
        gone = []
        while self._n_bytes + saved.n_bytes > self._most_bytes:
            gone.append(next(iter(self._saved)))
            self.drop(gone[-1])
        number, self._next = self._next, self._next - 1
        self._saved[number] = saved
        self._n_bytes += saved.n_bytes
        return number, gone

    def use(self, number: int) -> Saved:
        """What is kept under `number`, as the most recently used."""
        saved = self._saved[number] = self._saved.pop(number)
        return saved

    def drop(self, number: int) -> None:
        """Keep it no longer."""
        self._n_bytes -= self._saved.pop(number).n_bytes
