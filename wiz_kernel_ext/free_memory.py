"""How much memory is free for this process: the one place that is asked.

The system's own figure does not see the limits of cgroups (a container's, a job's): whoever goes by
that alone is ended by the system long before it is used up. Read anew each time.
"""

from __future__ import annotations

from pathlib import Path

import psutil

from wiz_kernel_ext.cgroups import PROC, ROOT, Room, memory_rooms


def rooms(proc: Path = PROC, root: Path = ROOT) -> list[Room]:
    """The machine's memory, and that of each limited cgroup that this process is in."""
    memory = psutil.virtual_memory()
    return [Room(memory.total, memory.available, "memory"), *memory_rooms(proc, root)]


def tightest(proc: Path = PROC, root: Path = ROOT) -> Room:
    """Of all these the one with the least that is free."""
    return min(rooms(proc, root), key=lambda room: room.available_bytes)


def free_bytes() -> int:
    """What can be taken before the system, or any cgroup's limit, ends somebody."""
    return tightest().available_bytes
