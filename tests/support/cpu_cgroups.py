"""A real cgroup with a quota of processor time, and one nested in it without."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from wiz_kernel_ext.cgroups import Cgroup, cgroups_of

PERIOD_US = 100_000


@contextmanager
def cpu_cgroups(cores: float | None) -> Iterator[Callable[[list[str]], list[str]]]:
    """Gives what makes a command run two levels below here; skips where none can be made.

    The outer of the two may take `cores` of processor time, the inner any part of that.
    """
    own = next(_with_quota(), None)
    if own is None:
        pytest.skip("no cgroup here has a say about processor time")
    outer = own.folder / f"wiz-test-{uuid.uuid4().hex[:8]}"
    inner = outer / "inner"
    try:
        outer.mkdir()
    except OSError as error:
        pytest.skip(f"no cgroup can be made here: {error}")
    try:
        if own.is_v2:
            (outer / "cgroup.subtree_control").write_text("+cpu")
        inner.mkdir()
        if cores is not None:
            quota = str(int(cores * PERIOD_US))
            name = "cpu.max" if own.is_v2 else "cpu.cfs_quota_us"
            (outer / name).write_text(f"{quota} {PERIOD_US}" if own.is_v2 else quota)
        enter = 'echo $$ > "$0/cgroup.procs" && exec "$@"'
        yield lambda command: ["/bin/sh", "-c", enter, str(inner), *command]
    finally:
        for folder in (inner, outer):
            _remove(folder)


def _with_quota() -> Iterator[Cgroup]:
    for cgroup in cgroups_of("cpu"):
        name = "cpu.max" if cgroup.is_v2 else "cpu.cfs_quota_us"
        # The root of version 2 has none itself; what is made below it has.
        if (cgroup.folder / name).exists() or (cgroup.folder / "cgroup.subtree_control").exists():
            yield cgroup


def _remove(folder: Path) -> None:
    deadline = time.monotonic() + 10
    # A process of it may still be being reaped.
    while folder.exists() and time.monotonic() < deadline:
        with suppress(OSError):
            folder.rmdir()
        time.sleep(0.01)
