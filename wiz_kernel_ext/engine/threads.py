"""How many threads compute: as many as there are physical cores to use, one for a tiny model.

Reads the machine, decides nothing later; called when a context is created. And what other threads
do to stay out of their way.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

import psutil

TINY_PARAMS = 20_000_000
"""Below this a second thread costs more in waiting than it computes, and collapses on a busy
machine (measured: 64 tokens/s with two, 560-1,430 with one)."""

_NICE = 10

_CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def default_threads(n_params: int) -> int:
    """Threads for a model of `n_params` on this machine."""
    return 1 if n_params < TINY_PARAMS else available_cores()


def available_cores() -> int:
    """Physical cores this process may use, at least 1."""
    logical = psutil.cpu_count(logical=True) or 1
    physical = psutil.cpu_count(logical=False) or logical
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else logical
    return max(1, min(physical, allowed, _quota_cores() or allowed))


def make_way() -> None:
    """Let the calling thread go behind the engine's, whatever it does from now on."""
    # On Linux a priority is a thread's own.
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)


def _quota_cores() -> int | None:
    """The container's CPU quota, in whole cores; None if it has none."""
    try:
        quota, period = _CPU_QUOTA.read_text().split()
        return max(1, int(quota) // int(period))
    except (OSError, ValueError):  # no cgroup v2, or "max"
        return None
