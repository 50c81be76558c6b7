"""Whether a measurement had the machine for itself, and programs that take it away on purpose."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import psutil

ALLOWED_SHARE = 0.05
"""Of a core, that others may take."""
ALLOWED_S = 0.03
"""And so much in any case: what has run is counted in hundredths of a second."""
SETTLE_S = 0.5


class Watch:
    """What the rest of the machine computes while it is open, beside `mine` and those `on_purpose`.

    The bench itself is mine too. Contenders that wait for their turn are not: one that spins, or
    tidies up, is somebody else.
    """

    def __init__(
        self, mine: Callable[[], list[psutil.Process]], on_purpose: Sequence[psutil.Process] = ()
    ) -> None:
        self._mine = mine
        self._on_purpose = on_purpose
        self._before = self._seconds()
        self._total = _busy_s()
        self._began = time.perf_counter()

    def others_s(self) -> float:
        """CPU seconds of others since it was opened; also what a hypervisor gave to them."""
        total, after = _busy_s() - self._total, self._seconds()
        own = sum(seconds - self._before.get(pid, 0.0) for pid, seconds in after.items())
        return max(0.0, total - own)

    def too_much_s(self) -> float:
        """CPU seconds of others beyond what is allowed; 0 where it was quiet."""
        lasted = time.perf_counter() - self._began
        return max(0.0, self.others_s() - ALLOWED_SHARE * lasted - ALLOWED_S)

    def _seconds(self) -> dict[int, float]:
        found = {}
        for process in [psutil.Process(), *self._on_purpose, *self._mine()]:
            try:
                times = process.cpu_times()
            except psutil.Error:
                continue
            found[process.pid] = times.user + times.system
        return found


def _busy_s() -> float:
    """CPU seconds of all cores since the machine started, without waiting."""
    times = psutil.cpu_times()
    idle = times.idle + getattr(times, "iowait", 0.0)
    # A guest's time is part of the user's.
    guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
    return float(sum(times) - idle - guests)


@contextmanager
def busy_cores(n: int) -> Iterator[list[psutil.Process]]:
    """So many processes that compute all the time."""
    command = [sys.executable, "-S", "-c", "while True: pass"]
    processes = [subprocess.Popen(command) for _ in range(n)]
    try:
        if processes:
            time.sleep(SETTLE_S)
        yield [psutil.Process(process.pid) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
