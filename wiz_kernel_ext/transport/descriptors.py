"""Descriptors: how many this process may have, has, and keeps free.

ZeroMQ ends the process that has none left for a connection it accepts: so nobody is let in any
more while there still are some.
"""

from __future__ import annotations

import os
import resource
from contextlib import suppress

# Enough for as many notebooks as a machine holds; more would only make some calls slow.
MAX_DESCRIPTORS = 65536
_MAX_MARGIN = 4096


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
    """How many this process has."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        with suppress(OSError):
            return len(os.listdir(folder))  # noqa: PTH208
    return 0
