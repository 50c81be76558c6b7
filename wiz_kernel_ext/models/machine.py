"""What this machine has for a model: memory that is free or can be freed, and the CPU's kind.

Knows /proc/cpuinfo and psutil, not models. Read anew for every estimate.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from wiz_kernel_ext.cgroups import PROC, ROOT, Room, memory_rooms

_X86_REPACKS = frozenset({"Q4_0", "Q4_K", "IQ4_NL", "MXFP4"})
_ARM_REPACKS = frozenset({"Q4_0", "Q4_K", "Q5_K", "Q6_K", "Q8_0", "IQ4_NL", "MXFP4"})


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Memory for a new process, what bounds it, and which tensor types its CPU has repacked.

    llama.cpp keeps a second, rearranged copy of weights of those types (ggml-cpu/repack.cpp).
    """

    available_bytes: int
    limit: Literal["memory", "cgroup"] = "memory"
    repacked_types: frozenset[str] = frozenset()


def this_machine(proc: Path = PROC, root: Path = ROOT) -> Machine:
    """The machine as it is now, with the tightest limit this process is under."""
    whole, *limited = rooms(proc, root)
    least = min((room.available_bytes for room in limited), default=whole.available_bytes)
    return Machine(
        available_bytes=min(whole.available_bytes, least),
        limit="cgroup" if least < whole.available_bytes else "memory",
        repacked_types=_repacked_types(proc / "cpuinfo"),
    )


def rooms(proc: Path = PROC, root: Path = ROOT) -> list[Room]:
    """The machine's memory, and that of each limited cgroup that this process is in."""
    memory = psutil.virtual_memory()
    return [Room(memory.total, memory.available), *memory_rooms(proc, root)]


def _repacked_types(cpuinfo: Path) -> frozenset[str]:
    if platform.machine().lower() in ("arm64", "aarch64"):
        return _ARM_REPACKS
    try:
        flags = cpuinfo.read_text().partition("\nflags")[2].partition("\n")[0].split()
    except OSError:
        flags = []
    if "avx2" not in flags:
        return frozenset()
    return _X86_REPACKS | ({"Q2_K"} if "avx512f" in flags else frozenset())
