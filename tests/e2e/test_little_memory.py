"""Too little memory, in a real cgroup around kernel, service and worker: the kernel lives."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.homes import Home
from tests.support.kernels import Kernel
from tests.support.memory_cgroups import MemoryCgroup, memory_cgroup

N_SIZES = int(os.environ.get("WIZ_TEST_MEMORY_SIZES", "3"))
MB = 1_000_000
VARIABLE = "data = b'\\x01' * {n_bytes}; len(data)"
IS_THERE = "len(data) == {n_bytes} and data[0] == data[-1] == 1 and data.count(1) == len(data)"


@pytest.fixture
def cgroup(request: pytest.FixtureRequest) -> Iterator[MemoryCgroup]:
    with memory_cgroup(getattr(request, "param", 800 * MB)) as cgroup:
        yield cgroup


@pytest.fixture
def kernel(cgroup: MemoryCgroup, home: Home) -> Iterator[Kernel]:
    """A notebook in the cgroup; the service it starts and that one's workers are in it too."""
    kernel = Kernel(home.environment, cgroup.inside)
    assert kernel.run("%load_ext wiz_kernel_ext").status == "ok"
    yield kernel
    kernel.close()
    home.close()


def sizes() -> list[int]:
    chance = random.Random(11)
    return [chance.randrange(450, 1200) * MB for _ in range(N_SIZES)]


def more_than_is_free(cgroup: MemoryCgroup, home: Home) -> int:
    """All there is, and half of what the model has for itself: that much is there without it."""
    (worker,) = home.workers()
    memory = worker.memory_info()
    return int(cgroup.limit_bytes - cgroup.used_bytes + (memory.rss - memory.shared) // 2)


@pytest.mark.parametrize("cgroup", sizes(), indirect=True, ids=lambda n: f"{n // MB} MB")
def test_the_kernel_and_its_variables_live(
    cgroup: MemoryCgroup, kernel: Kernel, slow_model: Path, home: Home
) -> None:
    loaded = kernel.run(f"%wiz_load {slow_model}")
    assert loaded.status == "ok", loaded
    pid = kernel.pid
    n_bytes = more_than_is_free(cgroup, home)
    grown = kernel.run(VARIABLE.format(n_bytes=n_bytes))
    assert grown.status == "ok", grown
    deadline = time.monotonic() + 10
    while home.workers() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not home.workers()
    assert kernel.value(IS_THERE.format(n_bytes=n_bytes)) is True
    # It is not loaded by itself, whatever asks; if it is wanted all the same, it goes again.
    for cell in (
        f"%wiz_load {slow_model}",
        "%wiz_prompt Hello",
        f"%wiz_load {slow_model} --anyway",
    ):
        kernel.run(cell)
        assert kernel.value(IS_THERE.format(n_bytes=n_bytes)) is True
    assert kernel.pid == pid and kernel.manager.is_alive()
    assert len(home.services()) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may take it back")
def test_without_the_workers_score_the_kernel_dies(
    cgroup: MemoryCgroup, kernel: Kernel, slow_model: Path, home: Home
) -> None:
    """The twin: what the others protect from is there."""
    assert kernel.run(f"%wiz_load {slow_model}").status == "ok"
    (worker,), (service,) = home.workers(), home.services()
    Path(f"/proc/{worker.pid}/oom_score_adj").write_text("0")
    n_bytes = more_than_is_free(cgroup, home)
    service.suspend()  # nor can it unload the model meanwhile
    try:
        kernel.send(VARIABLE.format(n_bytes=n_bytes))
        deadline = time.monotonic() + 30
        while kernel.manager.is_alive() and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        service.resume()
    assert not kernel.manager.is_alive()
    assert worker.is_running()
