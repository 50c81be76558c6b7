"""Too little memory, in a real cgroup around kernel, service and worker: the kernel lives."""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.homes import Home
from tests.support.kernels import Kernel
from tests.support.memory_cgroups import MemoryCgroup, memory_cgroup
from tests.support.tiny_gguf import Shape, write_tiny_gguf
from wiz_kernel_ext.service.giving_way import LOOK_S

N_SIZES = int(os.environ.get("WIZ_TEST_MEMORY_SIZES", "3"))
MB = 1_000_000
SLOW_S = 240.0
"""A load into no memory at all reads the same pages again and again, until it goes."""
VARIABLE = "data = b'\\x01' * {n_bytes}; len(data)"
BY_AND_BY = """
import time
parts = []
for _ in range({n_bytes} // 1_000_000):
    parts.append(b"\\x01" * 1_000_000)
    if len(parts) * 1_000_000 > {n_bytes} - 150_000_000:
        time.sleep(0.02)
"""
TOLD = "had been (ended: the system ran out of memory|unloaded: memory was low)"
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
    own_bytes: int = memory.rss - memory.shared
    return cgroup.limit_bytes - cgroup.used_bytes + own_bytes // 2


@pytest.fixture(scope="session")
def large_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of 360 MB, and little else."""
    shape = Shape(
        n_layers=12,
        width=512,
        n_heads=8,
        n_kv_heads=4,
        n_ffn=4096,
        n_vocab=4096,
        n_ctx_train=8192,
        quantization="F32",
    )
    return write_tiny_gguf(tmp_path_factory.mktemp("models") / "large.gguf", shape)


def leave(kernel: Kernel, cgroup: MemoryCgroup, free_bytes: int) -> int:
    """Let variables take all but so much, beside a service that runs; how much they took."""
    assert kernel.run("%wiz_models").status == "ok"
    n_bytes = cgroup.limit_bytes - cgroup.used_bytes - free_bytes
    assert kernel.run(VARIABLE.format(n_bytes=n_bytes)).status == "ok"
    return n_bytes


def test_what_is_too_big_is_refused_with_what_would_fit_and_how_to_do_it_all_the_same(
    cgroup: MemoryCgroup, kernel: Kernel, large_model: Path, home: Home
) -> None:
    n_bytes = leave(kernel, cgroup, 300 * MB)
    refused = kernel.run(f"%wiz_load {large_model} --ctx 1024")
    assert refused.error_name == "NotEnoughMemory", refused
    said = "\n".join(refused.traceback)
    assert "within this container's limit" in said
    assert f"%wiz_load {large_model} --anyway loads it all the same" in said
    assert not home.workers()
    prompted = kernel.run(f"%wiz_prompt Hello --model {large_model}")
    assert prompted.error_name in ("NotEnoughMemory", "BadRequest"), prompted
    assert kernel.value(IS_THERE.format(n_bytes=n_bytes)) is True
    # Mapped weights can be read from the disk again and again: it is slow, and it runs.
    assert kernel.run(f"%wiz_load {large_model} --ctx 512 --seqs 1 --anyway").status == "ok"
    assert kernel.run("%wiz_prompt Hello --max-tokens 4").status == "ok"
    assert kernel.value(IS_THERE.format(n_bytes=n_bytes)) is True


def test_a_death_for_want_of_memory_is_told_with_a_way_to_need_less(
    cgroup: MemoryCgroup, kernel: Kernel, large_model: Path, home: Home
) -> None:
    n_bytes = leave(kernel, cgroup, 240 * MB)
    died = kernel.run(f"%wiz_load {large_model} --ctx 1024 --no-mmap --anyway")
    assert died.error_name == "WorkerDied", died
    said = "\n".join(died.traceback)
    assert "was killed by SIGKILL (the system ran out of memory), as it loaded" in said
    assert "Take a smaller file" in said
    assert "(%wiz_unload MODEL)" in said
    assert "un it again" not in said
    assert not home.workers()
    assert kernel.value(IS_THERE.format(n_bytes=n_bytes)) is True


@pytest.mark.timeout(900)
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
        kernel.run(cell, SLOW_S)
        assert kernel.value(IS_THERE.format(n_bytes=n_bytes)) is True
    assert kernel.pid == pid
    assert kernel.manager.is_alive()
    kernel.run("del data")
    answered = kernel.run("%wiz_prompt Hello --max-tokens 4")
    assert answered.status == "ok", answered
    assert len(home.services()) == 1


def test_that_a_model_went_for_want_of_memory_is_told_by_the_next_prompt(
    cgroup: MemoryCgroup, kernel: Kernel, slow_model: Path, home: Home
) -> None:
    assert kernel.run(f"%wiz_load {slow_model}").status == "ok"
    n_bytes = more_than_is_free(cgroup, home)
    # By and by: the system needs a moment to see that the worker has given its memory back, and
    # takes the service too from who does not leave it that.
    assert kernel.run(BY_AND_BY.format(n_bytes=n_bytes), SLOW_S).status == "ok"
    assert not home.workers()
    kernel.run("del parts")
    answered = kernel.run("%wiz_prompt Hello --max-tokens 4")
    said = "".join(answered.shown)
    assert re.search(TOLD, said), answered


def test_an_idle_model_gives_way_before_memory_is_used_up(
    cgroup: MemoryCgroup, kernel: Kernel, slow_model: Path, home: Home
) -> None:
    assert kernel.run(f"%wiz_load {slow_model}").status == "ok"
    time.sleep(2 * LOOK_S)  # as its user leaves it
    (worker,) = home.workers()
    n_bytes = leave(kernel, cgroup, cgroup.limit_bytes // 40)
    deadline = time.monotonic() + 20
    while worker.is_running() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not home.workers()
    assert "memory is low, and it is not in use" in home.log()
    assert cgroup.n_kills == 0
    assert kernel.value(IS_THERE.format(n_bytes=n_bytes)) is True
    kernel.run("del data")
    answered = kernel.run("%wiz_prompt Hello --max-tokens 4")
    assert "had been unloaded: memory was low" in "".join(answered.shown), answered


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may take it back")
def test_without_their_scores_the_kernel_dies(
    cgroup: MemoryCgroup, kernel: Kernel, slow_model: Path, home: Home
) -> None:
    """The twin: what the others protect from is there."""
    assert kernel.run(f"%wiz_load {slow_model}").status == "ok"
    (worker,), (service,) = home.workers(), home.services()
    for process in (worker, service):
        Path(f"/proc/{process.pid}/oom_score_adj").write_text("0")
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
