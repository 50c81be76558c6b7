"""How many threads to compute with while others want the processor too.

The engine's threads wait for each other at every layer: one that the system has put aside stops
them all, and two threads on a busy machine of two cores are far slower than one. So the count goes
down to the cores others leave free, at once, and up again when they have been free for a while.
After a pause it begins with all: the first step reads, which a busy machine slows less than tokens.
Pure but for `measure`; called by the engine between steps.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

INTERVAL_S = 0.5
FIRST_S = 0.15
"""Where others were busy before a pause, the first look after it: they may still be. Else it is not
so soon: whoever sends a prompt, and shows that, is busy for a moment too."""
PAUSE_S = 0.3
"""A look back over a longer pause tells who was busy while nothing was computed here, not now."""
CALM_LOOKS = 4
"""Looks in a row that find more cores free before the count goes up: two seconds."""


@dataclass(frozen=True)
class Load:
    """Processor time so far, in seconds: of everything on the machine, and of this process."""

    all_s: float
    own_s: float


def measure() -> Load:
    """The machine's load, from its clocks."""
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    # Guests are counted in user time already.
    return Load(sum(times) - idle - getattr(times, "guest", 0.0), time.process_time())


class ThreadCount:
    """The number of threads for the next step, at most `most`, on `n_cores` logical cores."""

    def __init__(
        self,
        most: int,
        *,
        n_cores: int | None = None,
        measure: Callable[[], Load] = measure,
    ) -> None:
        self._most = most
        self._n_cores = n_cores or os.cpu_count() or 1
        self._measure = measure
        self._last: tuple[float, Load] | None = None
        self._interval_s = INTERVAL_S
        self._resting_since: float | None = None
        self._n_calm = 0
        self.count = most

    def rest(self, now: float) -> None:
        """There is nothing to compute from now on."""
        self._resting_since = now

    def look(self, now: float) -> bool:
        """Look at the machine, if it is time to; whether `count` changed."""
        since, self._resting_since = self._resting_since, None
        if self._most == 1:
            return False
        if self._last is None or (since is not None and now - since > PAUSE_S):
            return self._begin(now)
        last_at, last = self._last
        if now - last_at < self._interval_s:
            return False
        load = self._measure()
        self._last, self._interval_s = (now, load), INTERVAL_S
        others_s = (load.all_s - last.all_s) - (load.own_s - last.own_s)
        n_free = self._n_cores - others_s / (now - last_at)
        return self._settle(max(1, min(self._most, int(n_free + 0.5))))

    def _begin(self, now: float) -> bool:
        before, self.count = self.count, self._most
        self._interval_s = FIRST_S if before < self._most else INTERVAL_S
        self._last, self._n_calm = (now, self._measure()), 0
        return self.count != before

    def _settle(self, wanted: int) -> bool:
        before = self.count
        self._n_calm = self._n_calm + 1 if wanted > before else 0
        if wanted < before:
            self.count = wanted
        elif self._n_calm >= CALM_LOOKS:
            self.count += 1
            self._n_calm = 0
        return self.count != before
