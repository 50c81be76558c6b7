"""How many threads compute: as many as there are physical cores to use, one for a tiny model.

Reads the machine, decides nothing later; called when a context is created. And what other threads
do to stay out of their way.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress

import psutil

from wiz_kernel_ext.cgroups import quota_cores

TINY_PARAMS = 20_000_000
"""Below this a second thread costs more in waiting than it computes, and collapses on a busy
machine (measured: 64 tokens/s with two, 560-1,430 with one)."""

_NICE = 10


def default_threads(n_params: int) -> int:
    """Threads for a model of `n_params` on this machine."""
    return 1 if n_params < TINY_PARAMS else available_cores()


def available_cores() -> int:
    """Physical cores this process may use, at least 1.

    Of a quota whole cores count: the thread that had the rest would hold up all others.
    """
    logical = psutil.cpu_count(logical=True) or 1
    physical = psutil.cpu_count(logical=False) or logical
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else logical
    quota = quota_cores()
    return max(1, min(physical, allowed, allowed if quota is None else int(quota)))


def make_way() -> None:
    """Let the calling thread go behind the engine's, whatever it does from now on."""
    # On Linux a priority is a thread's own.
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
