"""What cgroups bound, read from fake trees of either version and from a real one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support.cpu_cgroups import cpu_cgroups
from wiz_kernel_ext.cgroups import memory_rooms, quota_cores
from wiz_kernel_ext.engine import threads
from wiz_kernel_ext.models.machine import this_machine


def files(root: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


MEMORY: dict[str, tuple[dict[str, str], int | None]] = {
    "none": ({"proc/self/cgroup": "0::/user\n", "cg/user/memory.max": "max\n"}, None),
    "v2": (
        {
            "proc/self/cgroup": "0::/user/app\n",
            "cg/user/app/memory.max": "1000\n",
            "cg/user/app/memory.current": "700\n",
            "cg/user/app/memory.stat": "anon 400\ninactive_file 200\n",
        },
        500,
    ),
    "v2, the one above is tighter": (
        {
            "proc/self/cgroup": "0::/user/app\n",
            "cg/user/app/memory.max": "max\n",
            "cg/user/memory.max": "1000\n",
            "cg/user/memory.current": "1200\n",
            "cg/user/memory.stat": "inactive_file 0\n",
        },
        0,
    ),
    "v2, seen from inside a container": (
        {
            "proc/self/cgroup": "0::/docker/1234\n",
            "cg/memory.max": "1000\n",
            "cg/memory.current": "100\n",
            "cg/memory.stat": "inactive_file 50\n",
        },
        950,
    ),
    "v1": (
        {
            "proc/self/cgroup": "5:cpu:/x\n4:memory:/y\n",
            "cg/memory/y/memory.limit_in_bytes": "1000\n",
            "cg/memory/y/memory.usage_in_bytes": "600\n",
            "cg/memory/y/memory.stat": "total_inactive_file 100\n",
        },
        500,
    ),
    "v1, no limit": (
        {
            "proc/self/cgroup": "4:memory:/\n",
            "cg/memory/memory.limit_in_bytes": "9223372036854771712\n",
        },
        None,
    ),
    "no cgroups": ({"proc/x": ""}, None),
}


@pytest.mark.parametrize("case", MEMORY)
def test_the_memory_of_the_tightest_cgroup_is_found(case: str, tmp_path: Path) -> None:
    texts, expected = MEMORY[case]
    files(tmp_path, texts)
    rooms = memory_rooms(tmp_path / "proc", tmp_path / "cg")
    assert min((room.available_bytes for room in rooms), default=None) == expected


def test_a_tight_cgroup_is_named(tmp_path: Path) -> None:
    files(tmp_path, MEMORY["v2"][0])
    machine = this_machine(tmp_path / "proc", tmp_path / "cg")
    assert (machine.available_bytes, machine.limit) == (500, "cgroup")
    assert this_machine().available_bytes > 10**6


QUOTAS: dict[str, tuple[dict[str, str], float | None]] = {
    "v2": ({"proc/self/cgroup": "0::/a\n", "cg/a/cpu.max": "150000 100000\n"}, 1.5),
    "v2, none": ({"proc/self/cgroup": "0::/a\n", "cg/a/cpu.max": "max 100000\n"}, None),
    "v2, the one above is tighter": (
        {
            "proc/self/cgroup": "0::/user.slice/app.service\n",
            "cg/user.slice/app.service/cpu.max": "max 100000\n",
            "cg/user.slice/cpu.max": "50000 100000\n",
            "cg/cgroup.procs": "",
        },
        0.5,
    ),
    "v2, a unit inside a container that sees only its own part": (
        {
            "proc/self/cgroup": "0::/docker/12ab/system.slice/jupyter.service\n",
            "cg/system.slice/jupyter.service/cpu.max": "max 100000\n",
            "cg/cpu.max": "200000 100000\n",
        },
        2.0,
    ),
    "v2, outside of what its namespace shows": (
        {"proc/self/cgroup": "0::/../other\n", "cg/cpu.max": "100000 100000\n"},
        1.0,
    ),
    "v2 beside v1, and v1 has the processors": (
        {
            "proc/self/cgroup": "1:cpu:/slurm/job\n0::/\n",
            "cg/unified/cgroup.procs": "",
            "cg/cpu/slurm/job/cpu.cfs_quota_us": "-1\n",
            "cg/cpu/slurm/job/cpu.cfs_period_us": "100000\n",
            "cg/cpu/slurm/cpu.cfs_quota_us": "250000\n",
            "cg/cpu/slurm/cpu.cfs_period_us": "100000\n",
        },
        2.5,
    ),
    "v1, two controllers in one place": (
        {
            "proc/self/cgroup": "4:cpu,cpuacct:/x\n",
            "cg/cpu,cpuacct/x/cpu.cfs_quota_us": "30000\n",
            "cg/cpu,cpuacct/x/cpu.cfs_period_us": "100000\n",
        },
        0.3,
    ),
    "v1, seen from inside a container": (
        {
            "proc/self/cgroup": "4:cpu:/kubepods/pod1/c1\n3:cpuset:/kubepods/pod1/c1\n",
            "cg/cpu/cpu.cfs_quota_us": "400000\n",
            "cg/cpu/cpu.cfs_period_us": "100000\n",
        },
        4.0,
    ),
    "damaged": ({"proc/self/cgroup": "odd\n0::/\n", "cg/cpu.max": "no number\n"}, None),
    "no cgroups": ({"proc/x": ""}, None),
}


@pytest.mark.parametrize("case", QUOTAS)
def test_the_tightest_quota_of_processor_time_is_found(case: str, tmp_path: Path) -> None:
    texts, expected = QUOTAS[case]
    files(tmp_path, texts)
    assert quota_cores(tmp_path / "proc", tmp_path / "cg") == expected


@pytest.mark.parametrize(
    ("quota", "expected"), [(None, 8), (0.5, 1), (1.0, 1), (1.5, 1), (3.9, 3), (64.0, 8)]
)
def test_of_a_quota_whole_cores_count_and_one_at_least(
    quota: float | None, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "quota_cores", lambda: quota)
    monkeypatch.setattr(psutil, "cpu_count", lambda logical: 8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    assert threads.available_cores() == expected


_SAY = "from wiz_kernel_ext.cgroups import quota_cores; print(quota_cores())"


@pytest.mark.parametrize(("quota", "seen"), [(0.5, "0.5"), (1.5, "1.5"), (None, "None")])
def test_a_real_quota_counts_for_what_is_nested_below_it(quota: float | None, seen: str) -> None:
    with cpu_cgroups(quota) as inside:
        command = inside([sys.executable, "-c", _SAY])
        said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == seen
