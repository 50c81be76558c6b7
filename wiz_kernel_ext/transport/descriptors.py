"""Descriptors: how many this process may have, has, and keeps free.

ZeroMQ ends the process that has none left, the kernel of a notebook too: so nobody is let in, and
nobody goes out, any more while there still are some.
"""

from __future__ import annotations

import os
import resource
from contextlib import suppress

from wiz_kernel_ext.errors import ServiceFull

# Enough for as many notebooks as a machine holds; more would only make some calls slow.
MAX_DESCRIPTORS = 65536
_MAX_MARGIN = 4096
# A connection with its threads, and starting a service, take about a third of it.
_FOR_ONE = 48


def raise_limit() -> int:
    """Have as many as this process may take by itself; returns how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MAX_DESCRIPTORS)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return limit()
    with suppress(ValueError, OSError):  # what a container may refuse
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return limit()


def limit() -> int:
    """How many this process may have now."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft


def margin() -> int:
    """How many are kept free: for a rush of connections, and for what else opens files."""
    return min(limit() // 2, _MAX_MARGIN)


def n_open() -> int:
    """How many this process has; all it may, where there is not even one left to look."""
    folder = next((f for f in ("/proc/self/fd", "/dev/fd") if os.path.isdir(f)), None)  # noqa: PTH112
    try:
        return len(os.listdir(folder)) if folder else 0  # noqa: PTH208
    except OSError:
        return limit()


def check_enough() -> None:
    """Raise ServiceFull where this process has too few left for a connection."""
    if limit() - n_open() < _FOR_ONE:
        raise ServiceFull(
            f"This process has too few open files left for a connection: {n_open()} of the "
            f"{limit()} it may have are open.",
            hint="Close what is not used, restart the kernel, or allow more (`ulimit -n`).",
        )
