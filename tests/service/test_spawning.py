"""Starting a worker: under any name of the service, without a place for its log, or not at all."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import psutil
import pytest

import wiz_kernel_ext
from tests.support.memory_cgroups import memory_cgroup
from wiz_kernel_ext.children.child import ignore
from wiz_kernel_ext.errors import CrashRepeated, ModelLoadFailed, WorkerDied
from wiz_kernel_ext.out_of_memory import MemoryKills, says_no_memory
from wiz_kernel_ext.protocol.requests import CreateContext, LoadModel
from wiz_kernel_ext.service import spawning, worker_process
from wiz_kernel_ext.service.crashes import Crash, Crashes
from wiz_kernel_ext.service.spawning import spawn_worker
from wiz_kernel_ext.settings import Settings
from wiz_kernel_ext.transport.endpoints import Places, places


@pytest.fixture
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    # As the service is started: a worker's working directory is "/".
    monkeypatch.setenv("PYTHONPATH", str(Path(wiz_kernel_ext.__file__).parents[1]))
    where = places(
        Settings(name="mine/of [us] ☃", runtime_dir=tmp_path / "r", data_dir=tmp_path / "d")
    )
    where.create()
    return where


async def test_a_service_of_any_name_starts_workers_and_keeps_their_latest_logs(
    where: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spawning, "N_LOGS_KEPT", 1)
    for _ in range(3):
        process = await spawn_worker(where)
        assert (await process.initialize()).versions["llama_cpp"]
        await process.end()
    logs = list((where.data_dir / "logs").iterdir())
    assert len(logs) == 2
    assert all(log.name.startswith("worker-mine_of") for log in logs)


async def test_a_workers_log_is_kept_within_bounds_while_it_runs(
    where: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_process, "MAX_LOG_BYTES", 1000)
    process = await spawn_worker(where)
    (log,) = where.logs_of_workers()
    with log.open("a") as library:
        library.write("words\n" * 1000)
    process.shorten_log()
    assert log.stat().st_size < 1000
    await process.end()


async def test_a_worker_whose_log_cannot_be_kept_starts_without(where: Places) -> None:
    (where.data_dir / "logs").write_text("in the way")
    process = await spawn_worker(where)
    assert (await process.initialize()).versions["llama_cpp"]
    await process.end()


async def test_a_worker_that_cannot_be_started_is_a_typed_error(
    where: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nowhere"))
    with pytest.raises(WorkerDied, match=r"no process can be started \(No such file"):
        await spawn_worker(where)


async def test_a_worker_that_does_not_answer_is_a_typed_error_and_is_ended(
    where: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spawning, "START_TIMEOUT_S", 0.01)
    with pytest.raises(WorkerDied, match="did not answer within"):
        await spawn_worker(where)


async def test_memory_that_is_refused_is_told_with_a_way_to_need_less(
    where: Places, slow_model: Path
) -> None:
    process = await spawn_worker(where)
    await process.load(LoadModel(model_path=str(slow_model)), ignore, ignore)
    n_bytes = psutil.Process(process.pid).memory_info().vms + 100_000_000
    resource.prlimit(process.pid, resource.RLIMIT_AS, (n_bytes, n_bytes))
    with pytest.raises((ModelLoadFailed, WorkerDied)) as raised:
        await process.create_context(CreateContext(context_size=32_000), ignore)
    await process.end()
    assert "maller context (" in raised.value.info().hint
    assert "un it again" not in raised.value.info().hint


async def test_a_death_as_a_context_is_made_is_told_as_such_with_a_way_to_need_less(
    where: Places, slow_model: Path
) -> None:
    crashes: list[Crash] = []

    def noted(crash: Crash) -> bool:
        crashes.append(crash)
        return False

    with memory_cgroup(220_000_000) as cgroup:
        process = await spawn_worker(where, on_crash=noted)
        await process.initialize()
        (cgroup.folder / "cgroup.procs").write_text(str(process.pid))
        # Its kills are counted where it is; a service's workers are where the service is.
        process._kills = MemoryKills(lambda: cgroup.n_kills)
        await process.load(LoadModel(model_path=str(slow_model)), ignore, ignore)
        with pytest.raises(WorkerDied) as raised:
            await process.create_context(CreateContext(context_size=16_000), ignore)
        said = f"{raised.value} {raised.value.info().hint}"
        await process.end()
    assert "(the system ran out of memory), as its context was made" in said
    assert f"`wiz load {slow_model} --ctx 8000`" in said
    assert f"`wiz load {slow_model} --seqs 1`" in said
    assert "un it again" not in said
    (crash,) = crashes
    assert crash.stage == "context"
    # Twice alike, it is not loaded by itself, and the advice is the same.
    known = Crashes()
    known.note("m", crash)
    known.note("m", crash)
    with pytest.raises(CrashRepeated, match="ran out of memory") as refused:
        known.refuse_repeated("m", slow_model)
    assert "--ctx 8000" in refused.value.info().hint


@pytest.mark.parametrize(
    "words",
    [
        "terminate called after throwing an instance of 'std::bad_alloc'",
        "ggml_backend_cpu_buffer_type_alloc_buffer: failed to allocate buffer of size 109951162",
        "ggml_aligned_malloc: insufficient memory (attempted to allocate 1024.00 MB)",
        "CUDA error: out of memory",
        "MemoryError",
    ],
)
def test_a_library_that_had_no_memory_says_so_in_its_last_words(words: str) -> None:
    assert says_no_memory(["llama_model_loader: loaded meta data", words])
    assert not says_no_memory(["llama_kv_cache: size = 96.00 MiB", "memory: 3 of 7"])
