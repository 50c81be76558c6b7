"""When memory runs out: who goes first, and whether that is what ended a process.

Knows Linux's files about it; elsewhere nothing is set, and nothing is known.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

FIRST_TO_GO = 1000
"""The system ends the process with the largest share of memory, in thousandths, plus this. With
less than all of them, a kernel that has nearly everything would still go before a small model."""


def go_first(proc: Path = Path("/proc")) -> None:
    """From now on this process goes before others when memory runs out: it can be had again.

    A kernel's variables cannot. An ordinary user may say so of a process, and not take it back.
    """
    with contextlib.suppress(OSError):
        (proc / "self" / "oom_score_adj").write_text(str(FIRST_TO_GO))


def memory_kills(proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> int | None:
    """How often the system ended a process for want of memory so far: here, and on the machine.

    A sum that only means something beside an earlier one. None where nobody counts.
    """
    counts = [_count(proc / "vmstat")]
    for line in _lines(proc / "self" / "cgroup"):
        _, controllers, path = line.split(":", 2)
        if not controllers:
            root, name = cgroups, "memory.events"
        elif "memory" in controllers.split(","):
            root, name = cgroups / "memory", "memory.oom_control"
        else:
            continue
        # Inside a container the path is often the host's and not there: its root is ours.
        place = root / path.lstrip("/")
        counts += [_count(folder / name) for folder in dict.fromkeys((place, root))]
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _count(file: Path) -> int | None:
    for line in _lines(file):
        name, _, value = line.partition(" ")
        if name == "oom_kill" and value.strip().isdigit():
            return int(value)
    return None


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except OSError:
        return []
