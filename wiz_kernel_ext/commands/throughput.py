"""How fast bytes or tokens come, and when they will all be there.

Pure but for the clock it is given.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from wiz_kernel_ext.commands.numbers import duration, size
from wiz_kernel_ext.protocol.events import Progress

WINDOW_S = 10.0
LEAST_S = 0.5
BYTE_STAGES = ("download", "verify", "convert", "quantize")


class Throughput:
    """The speed over the last seconds of one stage.

    Who comes late is told at once what was done before: that is no speed, so only what it sees
    itself is measured.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._stage = ""
        self._seen: deque[tuple[float, float]] = deque()

    def take(self, progress: Progress) -> None:
        """The latest progress there is, now."""
        now = self._clock()
        if progress.stage != self._stage or (self._seen and progress.done < self._seen[-1][1]):
            self._stage = progress.stage
            self._seen.clear()
        self._seen.append((now, progress.done))
        while now - self._seen[0][0] > WINDOW_S and len(self._seen) > 2:
            self._seen.popleft()

    @property
    def per_s(self) -> float | None:
        """None as long as there is too little to tell."""
        if not self._seen:
            return None
        (first_s, first), (last_s, last) = self._seen[0], self._seen[-1]
        return (last - first) / (last_s - first_s) if last_s - first_s >= LEAST_S else None


def told(progress: Progress, speed: float | None) -> str:
    """Progress in one line, for bytes: "45% · 1.2 of 2.7 GB · 35.0 MB/s · 42.0 s left"."""
    if progress.text:
        return progress.words
    if progress.stage not in BYTE_STAGES:
        return f"{progress.done / progress.total:.0%}" if progress.total else "…"
    parts = []
    if progress.total:
        parts.append(f"{progress.done / progress.total:.0%}")
        parts.append(f"{size(progress.done)} of {size(progress.total)}")
    else:
        parts.append(size(progress.done))
    if speed:
        parts.append(f"{size(speed)}/s")
        if progress.total and progress.done < progress.total:
            parts.append(f"{duration((progress.total - progress.done) / speed)} left")
    return " · ".join(parts)
