"""What this machine has for a model: memory that is free or can be freed, and the CPU's kind.

Knows /proc/cpuinfo, not models. Read anew for every estimate.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wiz_kernel_ext.cgroups import PROC, ROOT
from wiz_kernel_ext.free_memory import tightest

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
    room = tightest(proc, root)
    return Machine(
        available_bytes=room.available_bytes,
        limit=room.limit,
        repacked_types=_repacked_types(proc / "cpuinfo"),
    )


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
