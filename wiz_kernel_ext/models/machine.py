"""What this machine has for a model: memory that is free or can be freed, and the CPU's kind.

Knows /proc, cgroups (v1 and v2) and psutil, not models. Read anew for every estimate.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

_X86_REPACKS = frozenset({"Q4_0", "Q4_K", "IQ4_NL", "MXFP4"})
_ARM_REPACKS = frozenset({"Q4_0", "Q4_K", "Q5_K", "Q6_K", "Q8_0", "IQ4_NL", "MXFP4"})
_UNLIMITED_BYTES = 1 << 60


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Memory for a new process, what bounds it, and which tensor types its CPU has repacked.

    llama.cpp keeps a second, rearranged copy of weights of those types (ggml-cpu/repack.cpp).
    """

    available_bytes: int
    limit: Literal["memory", "cgroup"] = "memory"
    repacked_types: frozenset[str] = frozenset()


def this_machine(proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> Machine:
    """The machine as it is now, with the tightest limit this process is under."""
    free_bytes = psutil.virtual_memory().available
    in_cgroup_bytes = cgroup_available_bytes(proc, cgroups)
    bounded = in_cgroup_bytes is not None and in_cgroup_bytes < free_bytes
    return Machine(
        available_bytes=in_cgroup_bytes if bounded and in_cgroup_bytes is not None else free_bytes,
        limit="cgroup" if bounded else "memory",
        repacked_types=_repacked_types(proc / "cpuinfo"),
    )


@dataclass(frozen=True)
class Room:
    """Memory that is shared: how much of it there is, and how much of that is free."""

    limit_bytes: int
    available_bytes: int


def rooms(proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> list[Room]:
    """The machine's memory, and that of each limited cgroup that this process is in."""
    memory = psutil.virtual_memory()
    return [Room(memory.total, memory.available), *_cgroup_rooms(proc, cgroups)]


def cgroup_available_bytes(proc: Path, cgroups: Path) -> int | None:
    """What this process's cgroup and those above it still allow; None where nothing is limited.

    File pages a cgroup holds but could drop count as free, as in the machine's own figure.
    """
    return min((room.available_bytes for room in _cgroup_rooms(proc, cgroups)), default=None)


def _cgroup_rooms(proc: Path, cgroups: Path) -> list[Room]:
    try:
        lines = (proc / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return []
    found: list[Room] = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            root, names = cgroups, ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            root = cgroups / "memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        place = root / path.lstrip("/")
        # Inside a container the path is often the host's and not there: its root is ours.
        for folder in [place, *place.parents]:
            if (room := _room(folder, *names)) is not None:
                found.append(room)
            if folder == root:
                break
    return found


def _room(folder: Path, limit: str, usage: str, droppable: str) -> Room | None:
    try:
        text = (folder / limit).read_text().strip()
        if text == "max" or int(text) >= _UNLIMITED_BYTES:
            return None
        used_bytes = int((folder / usage).read_text())
        for line in (folder / "memory.stat").read_text().splitlines():
            name, _, value = line.partition(" ")
            if name == droppable:
                used_bytes -= int(value)
    except (OSError, ValueError):
        return None
    return Room(int(text), max(int(text) - max(used_bytes, 0), 0))


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
