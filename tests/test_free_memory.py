"""What is free is the least that any limit leaves, for everyone who asks."""

from __future__ import annotations

import json
import subprocess
import sys
import timeit
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from tests.support.memory_cgroups import fake_memory_cgroups, nested_memory_cgroup
from wiz_kernel_ext import free_memory
from wiz_kernel_ext.cgroups import memory_rooms
from wiz_kernel_ext.engine.llama.devices import devices
from wiz_kernel_ext.engine.snapshots import may_copy
from wiz_kernel_ext.free_memory import free_bytes
from wiz_kernel_ext.models.machine import this_machine
from wiz_kernel_ext.service.load_check import LoadCheck
from wiz_kernel_ext.worker.model_host import _parking_bytes

MB, GB = 1_000_000, 1_000_000_000
HOST_FREE = 60 * GB

Inside = Callable[[dict[str, tuple[int | None, int]]], None]


@pytest.fixture(params=["v1", "v2"])
def inside(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Inside:
    """Puts this process, on a machine of 64 GB, in cgroups of (limit, use) by their paths."""
    host = SimpleNamespace(total=64 * GB, available=HOST_FREE)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: host)

    def enter(rooms: dict[str, tuple[int | None, int]]) -> None:
        proc, root = fake_memory_cgroups(tmp_path, rooms, is_v2=request.param == "v2")
        monkeypatch.setattr(free_memory, "memory_rooms", lambda *_: memory_rooms(proc, root))

    return enter


NESTED: dict[str, tuple[dict[str, tuple[int | None, int]], int, str]] = {
    "nothing is limited": ({"/a": (None, 0), "/a/b": (None, 0)}, HOST_FREE, "memory"),
    "the own one": ({"/a": (None, 0), "/a/b": (2 * GB, 1200 * MB)}, 800 * MB, "cgroup"),
    "the one above": ({"/a": (2 * GB, 1200 * MB), "/a/b": (None, 0)}, 800 * MB, "cgroup"),
    "two above, and others use it": (
        {"/a": (4 * GB, 3200 * MB), "/a/b": (8 * GB, GB), "/a/b/c": (2 * GB, 100 * MB)},
        800 * MB,
        "cgroup",
    ),
    "it is full": ({"/a": (2 * GB, 3 * GB), "/a/b": (None, 0)}, 0, "cgroup"),
    "the machine has less": ({"/a": (80 * GB, GB), "/a/b": (None, 0)}, HOST_FREE, "memory"),
}


@pytest.mark.parametrize("case", NESTED)
def test_whoever_asks_what_is_free_is_told_what_the_tightest_limit_leaves(
    case: str, inside: Inside
) -> None:
    rooms, free, limit = NESTED[case]
    inside(rooms)
    assert free_bytes() == free
    assert (this_machine().available_bytes, this_machine().limit) == (free, limit)
    (cpu,) = [device for device in devices() if device.kind == "cpu"]
    assert cpu.free_bytes == min(free, cpu.total_bytes)
    assert _parking_bytes() == min(1 << 30, free // 8)
    assert may_copy(free // 4)
    assert not may_copy(free // 4 + 1)


def test_in_a_container_of_2_gb_no_conversation_is_copied_for_which_the_host_alone_has_room(
    inside: Inside,
) -> None:
    inside({"/docker": (2 * GB, 1500 * MB), "/docker/wiz": (None, 1400 * MB)})
    assert may_copy(100 * MB)
    assert not may_copy(200 * MB)
    assert _parking_bytes() == 62_500_000
    assert min(room.limit_bytes for room in LoadCheck()._measure()) == 2 * GB


_SAY = """
import json
from wiz_kernel_ext.engine.llama.devices import devices
from wiz_kernel_ext.engine.snapshots import may_copy
from wiz_kernel_ext.free_memory import free_bytes
from wiz_kernel_ext.models.machine import this_machine
from wiz_kernel_ext.worker.model_host import _parking_bytes

(cpu,) = [device for device in devices() if device.kind == "cpu"]
print(json.dumps({
    "free": free_bytes(), "machine": this_machine().available_bytes, "limit": this_machine().limit,
    "cpu": cpu.free_bytes, "parking": 8 * _parking_bytes(),
    "small": may_copy(20_000_000), "large": may_copy(100_000_000),
}))
"""


def test_a_real_limit_counts_for_what_is_nested_below_it() -> None:
    if psutil.virtual_memory().available < GB:
        pytest.skip("the machine itself has little memory")
    with nested_memory_cgroup(400 * MB) as cgroup:
        command = cgroup.inside([sys.executable, "-c", _SAY])
        said = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert said["limit"] == "cgroup"
    for name in ("free", "machine", "cpu", "parking"):
        assert 200 * MB < said[name] < 400 * MB
    assert (said["small"], said["large"]) == (True, False)


def test_asking_costs_less_than_what_it_is_asked_for(inside: Inside) -> None:
    inside({"/a": (4 * GB, GB), "/a/b": (4 * GB, GB), "/a/b/c": (4 * GB, GB)})
    assert min(timeit.repeat(lambda: may_copy(MB), number=10, repeat=5)) / 10 < 0.005
