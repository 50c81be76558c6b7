"""When memory runs out: who goes first, and whether that is what ended a process.

Knows Linux's files about it; elsewhere nothing is set, and nothing is known.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from wiz_kernel_ext.cgroups import PROC, ROOT, cgroups_of

FIRST_TO_GO = 1000
"""The system ends the process with the largest share of memory, in thousandths, plus this. With
less than all of them, a kernel that has nearly everything would still go before a small model."""
SECOND_TO_GO = 950
"""Before a kernel that has nearly everything; after whoever goes first.

Linux may look for a second one while the first, a process of many threads, still gives its memory
back (it is not seen any more from its last thread's end on): that is not to be a kernel either."""

_NO_MEMORY = re.compile(
    r"bad_alloc|failed to allocate|unable to allocate|insufficient memory|cannot allocate memory"
    r"|out of memory|MemoryError",
    re.IGNORECASE,
)


def go_first(proc: Path = Path("/proc"), score: int = FIRST_TO_GO) -> None:
    """From now on this process goes before others when memory runs out: it can be had again.

    A kernel's variables cannot. An ordinary user may say so of a process, and not take it back.
    """
    with contextlib.suppress(OSError):
        (proc / "self" / "oom_score_adj").write_text(str(score))


def go_second() -> None:
    """Like `go_first`, after those who do."""
    go_first(score=SECOND_TO_GO)


def memory_kills(proc: Path = PROC, root: Path = ROOT) -> int | None:
    """How often the system ended a process for want of memory so far, in this process's cgroup.

    On the whole machine where no cgroup counts; None where nobody does. Only means something beside
    an earlier number.
    """
    for cgroup in cgroups_of("memory", proc, root):
        counts = cgroup.counts("memory.events", "memory.oom_control")
        if "oom_kill" in counts:
            return counts["oom_kill"]
    return _count(proc / "vmstat")


class MemoryKills:
    """Whether the system ended a process for want of memory since this was made."""

    def __init__(self, count: Callable[[], int | None] = memory_kills) -> None:
        self._count = count
        self._before = count()

    def happened(self) -> bool:
        """Whether it did; False where nobody counts."""
        now = self._count()
        return now is not None and self._before is not None and now > self._before


def says_no_memory(lines: Iterable[str]) -> bool:
    """Whether a library's or an interpreter's last words are that there was no memory."""
    return any(_NO_MEMORY.search(line) for line in lines)


def _count(vmstat: Path) -> int | None:
    with contextlib.suppress(OSError):
        for line in vmstat.read_text().splitlines():
            name, _, value = line.partition(" ")
            if name == "oom_kill":
                return int(value)
    return None
