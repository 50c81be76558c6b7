"""The cgroups this process is in, of either version, and what they bound: memory and cores.

The one place that knows their files. A limit holds for all below it, so every cgroup from this
process's own up to the root counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

PROC = Path("/proc")
ROOT = Path("/sys/fs/cgroup")
_UNLIMITED_BYTES = 1 << 60


@dataclass(frozen=True)
class Cgroup:
    """One cgroup as the file system shows it."""

    folder: Path
    is_v2: bool

    def text(self, v2: str, v1: str) -> str:
        """What the file of that name says, by version; raises OSError."""
        return (self.folder / (v2 if self.is_v2 else v1)).read_text().strip()

    def counts(self, v2: str, v1: str) -> dict[str, int]:
        """A file of names and numbers; empty where there is none."""
        try:
            pairs = (line.partition(" ")[::2] for line in self.text(v2, v1).splitlines())
            return {name: int(value) for name, value in pairs if value.strip().isdigit()}
        except OSError:
            return {}


@dataclass(frozen=True)
class Room:
    """Memory that is shared: how much of it there is, how much is free, and what bounds it."""

    limit_bytes: int
    available_bytes: int
    limit: Literal["memory", "cgroup"] = "cgroup"


def cgroups_of(controller: str, proc: Path = PROC, root: Path = ROOT) -> Iterator[Cgroup]:
    """This process's own cgroup that may have a say about `controller`, then those above it."""
    try:
        lines = (proc / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        top = _top(root, controller, controllers)
        place = _seen(top, path)
        for folder in (place, *place.parents):
            yield Cgroup(folder, is_v2=not controllers)
            if folder == top:
                break


def memory_rooms(proc: Path = PROC, root: Path = ROOT) -> list[Room]:
    """The limited memory of each cgroup that this process is in.

    File pages a cgroup holds but could drop count as free, as in the machine's own figure.
    """
    rooms = (_room(cgroup) for cgroup in cgroups_of("memory", proc, root))
    return [room for room in rooms if room is not None]


def quota_cores(proc: Path = PROC, root: Path = ROOT) -> float | None:
    """Processor time that this process may take, in cores; None where nothing is limited."""
    quotas = (_quota(cgroup) for cgroup in cgroups_of("cpu", proc, root))
    return min((quota for quota in quotas if quota is not None), default=None)


def _top(root: Path, controller: str, controllers: str) -> Path:
    """Where a hierarchy is mounted; version 2 beside version 1 has a place of its own."""
    if not controllers:
        beside = root / "unified"
        return beside if beside.is_dir() else root
    alone = root / controller
    return alone if alone.is_dir() else root / controllers


def _seen(top: Path, path: str) -> Path:
    """The folder of the cgroup at `path`, as far as it can be seen from here.

    Inside a container the path is often the host's, and its beginning is not there: what is mounted
    is the container's own part of it.
    """
    parts = [part for part in path.split("/") if part not in ("", "..")]
    for first in range(len(parts)):
        folder = top.joinpath(*parts[first:])
        if folder.is_dir():
            return folder
    return top


def _room(cgroup: Cgroup) -> Room | None:
    try:
        limit = cgroup.text("memory.max", "memory.limit_in_bytes")
        if limit == "max" or int(limit) >= _UNLIMITED_BYTES:
            return None
        used = int(cgroup.text("memory.current", "memory.usage_in_bytes"))
    except (OSError, ValueError):
        return None
    droppable = "inactive_file" if cgroup.is_v2 else "total_inactive_file"
    used -= cgroup.counts("memory.stat", "memory.stat").get(droppable, 0)
    return Room(int(limit), max(int(limit) - max(used, 0), 0))


def _quota(cgroup: Cgroup) -> float | None:
    try:
        if cgroup.is_v2:
            quota, period = map(int, cgroup.text("cpu.max", "").split())
        else:
            quota = int(cgroup.text("", "cpu.cfs_quota_us"))
            period = int(cgroup.text("", "cpu.cfs_period_us"))
    except (OSError, ValueError):  # no such file, or "max"
        return None
    return quota / period if quota > 0 and period > 0 else None
