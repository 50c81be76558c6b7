"""How long a step takes by the number of its rows, as measured: what a guessed token costs.

Where the weights' way from memory takes the time, more rows cost nearly nothing; where computing
does, each costs nearly a step. Pure: learns from each step that read no prompt.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from statistics import median

ROW_COST = 0.3
"""What one more row is taken to cost until it is measured, as a part of a step of one row.

Rather too little: too much would never be tried, and so never be measured.
"""
_N_REMEMBERED = 5
_FORGOTTEN_AFTER = 512
"""Steps after which a measure is too old: contexts grow, and machines get busy and idle."""


class StepCost:
    """Seconds of a step, by its rows; the middle one of the last few measures counts."""

    def __init__(self) -> None:
        self._measured: dict[int, deque[float]] = {}
        self._latest: dict[int, int] = {}
        self._n_steps = 0
        self._most_rows = 0

    def learn(self, n_rows: int, seconds: float) -> None:
        """Take the measure of a step; the first of so many rows grows buffers, and is none."""
        self._n_steps += 1
        if n_rows > self._most_rows:
            self._most_rows = n_rows
            return
        self._measured.setdefault(n_rows, deque(maxlen=_N_REMEMBERED)).append(seconds)
        self._latest[n_rows] = self._n_steps
        oldest = min(self._latest, key=self._latest.__getitem__)
        if self._latest[oldest] < self._n_steps - _FORGOTTEN_AFTER:
            del self._measured[oldest], self._latest[oldest]

    @property
    def is_known(self) -> bool:
        """Whether any step was measured."""
        return bool(self._measured)

    @property
    def n_tried(self) -> int:
        """Rows of the largest step that was measured; something was."""
        return max(self._measured)

    def curve(self, least: int, most: int) -> list[float]:
        """Seconds of steps of `least` to `most` rows; something was measured."""
        known = sorted((n, median(seconds)) for n, seconds in self._measured.items())
        return [_between(known, n) for n in range(least, most + 1)]


def _between(known: list[tuple[int, float]], n_rows: int) -> float:
    """On the line between two measures, or else along the curve that is assumed."""
    at = bisect_left(known, (n_rows, 0.0))
    if at < len(known) and known[at][0] == n_rows:
        return known[at][1]
    if 0 < at < len(known):
        (n_before, before), (n_after, after) = known[at - 1], known[at]
        return before + (after - before) * (n_rows - n_before) / (n_after - n_before)
    n_near, seconds = known[at - 1] if at else known[0]
    return seconds * _assumed(n_rows) / _assumed(n_near)


def _assumed(n_rows: int) -> float:
    return 1.0 + ROW_COST * (n_rows - 1)
