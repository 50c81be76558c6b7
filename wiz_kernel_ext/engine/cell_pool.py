"""An exact account of the KV cells in use: llama.cpp does not tell how many are free.

Mirrors what a unified KV memory does: a token takes a cell, sequences that share a prefix share its
cells, and a cell is free again when nobody holds it. Pure; called by `kv_memory.py`.
"""

from __future__ import annotations

from collections.abc import Collection


class CellPool:
    """`size` cells, held by sequences; each sequence's cells are in order of position."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._free = list(range(size - 1, -1, -1))
        self._n_holders = [0] * size
        self._cells: dict[int, list[int]] = {}

    @property
    def n_free(self) -> int:
        """Cells nobody holds."""
        return len(self._free)

    def take(self, sequence: int, n: int) -> None:
        """Give `sequence` `n` more cells; there are that many free."""
        cells = self._cells.setdefault(sequence, [])
        taken = self._free[len(self._free) - n :]
        del self._free[len(self._free) - n :]
        for cell in taken:
            self._n_holders[cell] = 1
        cells.extend(taken)

    def share(self, source: int, target: int, start: int, end: int) -> None:
        """Let `target`, which ends at `start`, hold `source`'s cells up to position `end` too."""
        shared = self._cells[source][start:end]
        for cell in shared:
            self._n_holders[cell] += 1
        self._cells.setdefault(target, []).extend(shared)

    def release(self, sequence: int, start: int = 0) -> None:
        """Take from `sequence` its cells from position `start` on."""
        cells = self._cells.get(sequence, [])
        for cell in reversed(cells[start:]):
            self._n_holders[cell] -= 1
            if not self._n_holders[cell]:
                self._free.append(cell)
        del cells[start:]
        if not cells:
            self._cells.pop(sequence, None)

    def n_held_only_by(self, sequences: Collection[int]) -> int:
        """Cells that would be free if all of `sequences` let go."""
        held: dict[int, int] = {}
        for sequence in sequences:
            for cell in self._cells.get(sequence, ()):
                held[cell] = held.get(cell, 0) + 1
        return sum(1 for cell, n in held.items() if n == self._n_holders[cell])
