"""Memory cgroups of either version: real ones, to run out of memory in, and files like theirs."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class MemoryCgroup:
    """Whoever is started by `inside`, and all it starts, shares `limit_bytes`."""

    folder: Path
    limit_bytes: int

    def inside(self, command: list[str]) -> list[str]:
        """`command`, to be run in here from its first page on."""
        enter = 'echo $$ > "$0/cgroup.procs" && exec "$@"'
        return ["/bin/sh", "-c", enter, str(self.folder), *command]

    @property
    def used_bytes(self) -> int:
        """What is in use, file pages that can be dropped not counted."""
        v2 = (self.folder / "memory.current").exists()
        name = "memory.current" if v2 else "memory.usage_in_bytes"
        used = int((self.folder / name).read_text())
        for line in (self.folder / "memory.stat").read_text().splitlines():
            key, _, value = line.partition(" ")
            if key == ("file" if v2 else "total_cache"):
                used -= int(value)
        return used

    @property
    def n_kills(self) -> int:
        """How many processes in here the system ended for want of memory."""
        for name in ("memory.oom_control", "memory.events"):
            if (self.folder / name).exists():
                counts = dict(
                    line.split() for line in (self.folder / name).read_text().splitlines()
                )
                return int(counts["oom_kill"])
        return 0


@contextmanager
def memory_cgroup(limit_bytes: int) -> Iterator[MemoryCgroup]:
    """A new cgroup; skips the test where none can be made."""
    folder = _own() / f"wiz-test-{uuid.uuid4().hex[:8]}"
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"no memory cgroup can be made here: {error}")
    try:
        _limit(folder, limit_bytes)
        yield MemoryCgroup(folder, limit_bytes)
    finally:
        _remove(folder)


@contextmanager
def nested_memory_cgroup(limit_bytes: int) -> Iterator[MemoryCgroup]:
    """One without a limit of its own, in a new one with; skips the test where none can be made."""
    with memory_cgroup(limit_bytes) as outer:
        folder = outer.folder / "inner"
        folder.mkdir()
        try:
            yield MemoryCgroup(folder, limit_bytes)
        finally:
            _remove(folder)


def fake_memory_cgroups(
    folder: Path, rooms: dict[str, tuple[int | None, int]], *, is_v2: bool
) -> tuple[Path, Path]:
    """What a process in the innermost of `rooms` sees: its /proc and its /sys/fs/cgroup.

    `rooms` has limit (None for none) and use of each cgroup, by its path.
    """
    proc, root = folder / "proc", folder / "cgroup"
    (proc / "self").mkdir(parents=True)
    own = max(rooms, key=len)
    (proc / "self" / "cgroup").write_text(f"0::{own}\n" if is_v2 else f"2:cpu:/\n1:memory:{own}\n")
    for path, (limit, used) in rooms.items():
        place = (root if is_v2 else root / "memory") / path.strip("/")
        place.mkdir(parents=True, exist_ok=True)
        limit_name = "memory.max" if is_v2 else "memory.limit_in_bytes"
        none = "max" if is_v2 else str((1 << 63) - 4096)
        (place / limit_name).write_text(f"{none if limit is None else limit}\n")
        (place / ("memory.current" if is_v2 else "memory.usage_in_bytes")).write_text(f"{used}\n")
        (place / "memory.stat").write_text("anon 0\ninactive_file 0\ntotal_inactive_file 0\n")
    return proc, root


def _own() -> Path:
    """The folder of this process's cgroup that has a say about memory."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        pytest.skip("there are no cgroups here")
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            root = ROOT / "memory"
            place = root / path.lstrip("/")
            return place if place.is_dir() else root
    # Of version 2 only the root may have both processes and children with limits.
    return ROOT


def _limit(folder: Path, limit_bytes: int) -> None:
    for name in ("memory.limit_in_bytes", "memory.max"):
        if (folder / name).exists():
            (folder / name).write_text(str(limit_bytes))
            break
    else:
        pytest.skip("a new cgroup has no limit of memory here")
    for name, value in (("memory.swappiness", "0"), ("memory.swap.max", "0")):
        if (folder / name).exists():
            (folder / name).write_text(value)


def _remove(folder: Path) -> None:
    deadline = time.monotonic() + 10
    # A process of it may still be being reaped.
    while (folder / "cgroup.procs").read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    folder.rmdir()
