"""Whether a measurement had the machine for itself, and programs that take it away on purpose."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import psutil

OTHERS_SHARE = 0.05
"""Of a core, that other processes may take."""
STOLEN_SHARE = 0.1
"""And that the hypervisor may give to other machines: on a rented one it always takes some."""
ALLOWED_S = 0.05
"""And so much in any case: what has run is counted in hundredths of a second."""
SETTLE_S = 0.5


class Watch:
    """What is taken from `mine` and those `on_purpose` while it is open.

    The bench itself is mine too. Contenders that wait for their turn are not: one that spins, or
    tidies up, is somebody else.
    """

    def __init__(
        self, mine: Callable[[], list[psutil.Process]], on_purpose: Sequence[psutil.Process] = ()
    ) -> None:
        self._mine = mine
        self._on_purpose = on_purpose
        self._own_before = self._own()
        self._before = _machine()
        self._began = time.perf_counter()

    def taken_s(self) -> tuple[float, float]:
        """CPU seconds of other processes, and of other machines, since it was opened."""
        (busy, stolen), own = _machine(), self._own()
        own_s = sum(seconds - self._own_before.get(pid, 0.0) for pid, seconds in own.items())
        return max(0.0, busy - self._before[0] - own_s), stolen - self._before[1]

    def disturbance(self) -> str:
        """Who took more than is allowed, in words; empty where it was quiet."""
        lasted_s = time.perf_counter() - self._began
        others_s, stolen_s = self.taken_s()
        of = f"of {lasted_s:.2f} s"
        if others_s > OTHERS_SHARE * lasted_s + ALLOWED_S:
            return f"other processes took {others_s:.2f} {of}"
        if stolen_s > STOLEN_SHARE * lasted_s + ALLOWED_S:
            return f"other machines took {stolen_s:.2f} {of}"
        return ""

    def _own(self) -> dict[int, float]:
        found = {}
        for process in [psutil.Process(), *self._on_purpose, *self._mine()]:
            try:
                times = process.cpu_times()
            except psutil.Error:
                continue
            found[process.pid] = times.user + times.system
        return found


def _machine() -> tuple[float, float]:
    """CPU seconds of all cores since the machine started, and those stolen from it meanwhile."""
    times = psutil.cpu_times()
    stolen = getattr(times, "steal", 0.0)
    # A guest's time is part of the user's.
    guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
    idle = times.idle + getattr(times, "iowait", 0.0)
    return float(sum(times) - idle - guests - stolen), float(stolen)


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
