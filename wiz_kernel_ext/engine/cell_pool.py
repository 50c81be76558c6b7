"""An exact account of the KV cells in use: llama.cpp does not tell how many are free.

Mirrors what a unified KV memory does: a token takes a cell, sequences that share a prefix share its
cells, and a cell is free again when nobody holds it. Pure; called by `kv_memory.py`.
"""

from __future__ import annotations


class CellPool:
    """`size` cells, held by sequences; each sequence's cells are in order of position.

    A sequence runs, or it rests (`rest`, `wake`). How many cells only resting ones hold is counted
    as it changes: the question comes in every step.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._free = list(range(size - 1, -1, -1))
        self._n_holders = [0] * size
        self._n_running = [0] * size
        self._cells: dict[int, list[int]] = {}
        self._resting: set[int] = set()
        self._n_idle = 0

    @property
    def n_free(self) -> int:
        """Cells nobody holds."""
        return len(self._free)

    @property
    def n_idle(self) -> int:
        """Cells that would be free if all that rest let go."""
        return self._n_idle

    def take(self, sequence: int, n: int) -> None:
        """Give `sequence`, which runs, `n` more cells; there are that many free."""
        cells = self._cells.setdefault(sequence, [])
        taken = self._free[len(self._free) - n :]
        del self._free[len(self._free) - n :]
        for cell in taken:
            self._n_holders[cell] = self._n_running[cell] = 1
        cells.extend(taken)

    def share(self, source: int, target: int, start: int, end: int) -> None:
        """Let `target`, which runs and ends at `start`, hold `source`'s cells up to `end` too."""
        shared = self._cells[source][start:end]
        n_holders = self._n_holders
        for cell in shared:
            n_holders[cell] += 1
        self._run(shared)
        self._cells.setdefault(target, []).extend(shared)

    def release(self, sequence: int, start: int = 0) -> None:
        """Take from `sequence` its cells from position `start` on."""
        cells = self._cells.get(sequence, [])
        gone = cells[start:][::-1]
        if sequence not in self._resting:
            self._stop(gone)
        for cell in gone:
            self._n_holders[cell] -= 1
            if not self._n_holders[cell]:
                self._free.append(cell)
                self._n_idle -= 1
        del cells[start:]
        if not cells:
            self._cells.pop(sequence, None)
            self._resting.discard(sequence)

    def rest(self, sequence: int) -> None:
        """`sequence` runs no more; it holds its cells all the same."""
        if sequence in self._cells and sequence not in self._resting:
            self._resting.add(sequence)
            self._stop(self._cells[sequence])

    def wake(self, sequence: int) -> None:
        """`sequence`, which rested, runs."""
        if sequence in self._resting:
            self._resting.remove(sequence)
            self._run(self._cells[sequence])

    def _run(self, cells: list[int]) -> None:
        n_running = self._n_running
        for cell in cells:
            n_running[cell] += 1
            if n_running[cell] == 1:
                self._n_idle -= 1

    def _stop(self, cells: list[int]) -> None:
        n_running = self._n_running
        for cell in cells:
            n_running[cell] -= 1
            if not n_running[cell]:
                self._n_idle += 1
