"""Starting a worker: under any name of the service, without a place for its log, or not at all."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import wiz_kernel_ext
from wiz_kernel_ext.errors import WorkerDied
from wiz_kernel_ext.service import spawning, worker_process
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
