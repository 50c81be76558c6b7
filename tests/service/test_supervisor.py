"""The supervisor: one process per model, shared, watched and ended; with scripted processes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.support.scripted_workers import Rig, ScriptedProcess
from wiz_kernel_ext.errors import Conflict, ModelLoadFailed, ModelNotLoaded
from wiz_kernel_ext.protocol.requests import CreateContext, LoadModel
from wiz_kernel_ext.protocol.results import ModelInfo


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


async def test_the_same_model_is_one_process_however_many_load_it_at_once(rig: Rig) -> None:
    infos = await asyncio.gather(*(rig.load() for _ in range(8)))
    assert len(rig.processes) == 1
    assert sorted(info.shared for info in infos) == [False] + [True] * 7
    assert rig.supervisor.get(rig.key).n_loads == 1


async def test_two_paths_to_one_file_are_one_model(rig: Rig, tmp_path: Path) -> None:
    (tmp_path / "link.gguf").symlink_to(rig.path)
    await rig.load()
    rig.path = tmp_path / "link.gguf"
    assert (await rig.load()).shared


async def test_other_parameters_are_refused_and_the_model_stays(rig: Rig) -> None:
    await rig.load(gpu_layers=1)
    with pytest.raises(Conflict):
        await rig.load(gpu_layers=2)
    assert rig.supervisor.get(rig.key).process.pid == 1000


async def test_reload_ends_the_process_and_begins_another(rig: Rig) -> None:
    await rig.load(gpu_layers=1)
    info = await rig.load(gpu_layers=2, reload=True)
    assert rig.processes[0].gone.is_set()
    assert (info.worker_pid, rig.supervisor.get(rig.key).n_loads) == (1001, 2)


async def test_a_load_that_fails_leaves_no_process(rig: Rig) -> None:
    rig.next_fails = ModelLoadFailed("bad")
    with pytest.raises(ModelLoadFailed):
        await rig.load()
    assert rig.processes[0].gone.is_set()
    with pytest.raises(ModelNotLoaded):
        rig.supervisor.get(rig.key)


async def test_a_process_that_dies_is_forgotten_and_the_model_can_be_loaded_again(
    rig: Rig,
) -> None:
    await rig.load()
    rig.processes[0].gone.set()
    await asyncio.sleep(0.01)
    assert rig.gone == [rig.key]
    await rig.load()
    assert rig.supervisor.get(rig.key).n_loads == 2


async def test_unloading_is_refused_while_another_client_uses_the_model(rig: Rig) -> None:
    await rig.load()
    rig.supervisor.get(rig.key).enter("b")
    with pytest.raises(Conflict, match="a prompt of others"):
        await rig.supervisor.unload(rig.key, "a", force=False)
    info = await rig.supervisor.unload(rig.key, "a", force=True)
    assert info.freed_bytes == 1000
    assert rig.processes[0].gone.is_set()


@pytest.mark.parametrize(
    ("keep_alive_s", "busy", "passed_s", "stays"),
    [
        (None, False, 99.0, True),
        (None, False, 101.0, False),
        (None, True, 1e6, True),
        (-1.0, False, 1e6, True),
        (5.0, False, 6.0, False),
    ],
)
async def test_an_unused_model_is_unloaded_after_its_keep_alive(
    rig: Rig, keep_alive_s: float | None, busy: bool, passed_s: float, stays: bool
) -> None:
    await rig.load(keep_alive_s=keep_alive_s)
    if busy:
        rig.supervisor.get(rig.key).enter("a")
    rig.now += passed_s
    await rig.supervisor.unload_expired()
    assert bool(len(rig.supervisor)) is stays


async def test_an_unknown_model_is_not_loaded(rig: Rig) -> None:
    for key in (None, "elsewhere"):
        with pytest.raises(ModelNotLoaded, match=r"^Model not loaded\.$"):
            rig.supervisor.get(key)


async def test_a_model_that_loads_longer_than_its_keep_alive_is_not_unloaded_meanwhile(
    tmp_path: Path,
) -> None:
    rig = Rig(tmp_path)
    loaded = asyncio.Event()

    async def slowly(request: LoadModel, emit: Any, on_cancel: Any, *_: Any) -> ModelInfo:
        await loaded.wait()
        return ModelInfo(model_path=str(rig.path))

    spawned = rig.spawn

    async def spawn(emit: Any, on_crash: Any) -> ScriptedProcess:
        process = await spawned(emit, on_crash)
        process.load = slowly  # type: ignore[method-assign]
        return process

    rig.supervisor._spawn = spawn  # type: ignore[assignment]
    loading = asyncio.create_task(rig.load())
    await asyncio.sleep(0.01)
    rig.now += 1000.0
    await rig.supervisor.unload_expired()
    loaded.set()
    await loading
    assert rig.supervisor.get(rig.key).process.pid == 1000
    assert not rig.supervisor.get(rig.key).expired()


async def test_prompts_beyond_the_sequences_are_shown_as_queued(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    await rig.load()
    await rig.supervisor.create_context(
        rig.supervisor.get(rig.key), CreateContext()
    )  # two sequences
    worker = rig.supervisor.get(rig.key)
    for client in "abc":
        worker.enter(client)
    assert (worker.info().n_running, worker.info().n_queued) == (2, 1)
    worker.leave("b")
    assert (worker.info().n_running, worker.info().n_queued) == (2, 0)
