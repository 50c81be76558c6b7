"""The climb: all or nothing, one at a time for each model, room made, files told apart."""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path

import pytest

from tests.support.scripted_workers import Rig
from wiz_kernel_ext.errors import (
    Conflict,
    ModelLoadFailed,
    NotEnoughMemory,
    OperationCancelled,
    WizError,
    WorkerDied,
)
from wiz_kernel_ext.protocol.events import Notice
from wiz_kernel_ext.service.climb import Wish
from wiz_kernel_ext.service.operations import Operation


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


def notices(operation: Operation) -> list[str]:
    return [n.event.text for n in operation.events if isinstance(n.event, Notice)]


async def test_many_who_want_the_same_get_the_same(rig: Rig) -> None:
    ready = await asyncio.gather(*(rig.up(context=128) for _ in range(8)))
    assert {r.worker.process.pid for r in ready} == {1000}
    assert sorted(r.context.shared for r in ready if r.context) == [False] + [True] * 7


async def test_who_wants_another_context_is_told_the_difference(rig: Rig) -> None:
    outcomes = await asyncio.gather(
        rig.up(context=128), rig.up(context=256), rig.up(), return_exceptions=True
    )
    assert isinstance(outcomes[1], Conflict) and outcomes[1].details["difference"]
    assert not isinstance(outcomes[0], BaseException)
    assert not isinstance(outcomes[2], BaseException)  # a default takes what is there
    assert rig.alive() == [1000]


@pytest.mark.parametrize("stage", ["load", "context", "after"])
@pytest.mark.parametrize("error", [ModelLoadFailed("no"), WorkerDied("dead"), RuntimeError("bug")])
async def test_what_fails_leaves_no_worker(rig: Rig, stage: str, error: Exception) -> None:
    rig.next_fails = error if stage == "load" else None
    rig.next_context_fails = error if stage == "context" else None
    with pytest.raises(type(error)):
        async with rig.climb.ready(Operation("setup"), Wish(path=rig.path)):
            raise error  # the conversation cannot be kept, as it were
    assert not rig.alive() and not len(rig.supervisor)
    assert rig.climb.remembered(rig.key) is None
    rig.next_fails = rig.next_context_fails = None
    assert (await rig.up()).worker.process.pid == 1001


async def test_a_shared_worker_outlives_a_climb_that_failed_on_it(rig: Rig) -> None:
    await rig.up(context=128)
    with pytest.raises(Conflict):
        await rig.up(context=256)
    with pytest.raises(Conflict):
        await rig.up(gpu_layers=3)
    assert rig.alive() == [1000]
    assert rig.supervisor.get(rig.key).context is not None


async def test_a_reload_that_failed_puts_back_what_was_there(rig: Rig) -> None:
    await rig.up(context=128, gpu_layers=1)
    failing = iter([ModelLoadFailed("no"), None])
    spawn = rig.supervisor._spawn

    async def one_fails(emit: object, on_crash: object) -> object:
        rig.next_fails = next(failing)
        return await spawn(emit, on_crash)  # type: ignore[arg-type]

    rig.supervisor._spawn = one_fails  # type: ignore[assignment]
    with pytest.raises(ModelLoadFailed):
        await rig.up(context=256, gpu_layers=2, reload=True)
    (pid,) = rig.alive()
    worker = rig.supervisor.get(rig.key)
    assert worker.process.pid == pid
    assert worker.context is not None and worker.context.context_size == 128


@pytest.mark.parametrize("after", [0, 1, 2, 3, 4, 5, 8])
async def test_a_cancel_at_any_moment_leaves_no_worker_or_a_ready_one(rig: Rig, after: int) -> None:
    operation = Operation("setup")
    climbing = asyncio.create_task(rig.up(operation=operation))
    for _ in range(after):
        await asyncio.sleep(0)
    operation.cancel()
    try:
        await climbing
        assert len(rig.alive()) == 1
    except OperationCancelled:
        assert not rig.alive() and not len(rig.supervisor)


async def test_a_cancel_while_another_climbs_the_same_leaves_the_other_alone(rig: Rig) -> None:
    first = asyncio.create_task(rig.up())
    second = Operation("setup")
    waiting = asyncio.create_task(rig.up(operation=second))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(OperationCancelled):
        await waiting
    assert (await first).worker.process.pid == rig.alive()[0]


async def test_an_idle_model_gives_way_and_that_is_said(rig: Rig) -> None:
    old = rig.file("old.gguf")
    await rig.up(old)
    rig.memory.total_bytes = 1100
    operation = Operation("setup")
    await rig.up(operation=operation)
    assert rig.alive() == [1001]
    assert notices(operation) == ["old was unloaded to make room: it was not in use."]


async def test_a_model_in_use_or_kept_for_good_does_not_give_way(rig: Rig) -> None:
    busy, kept = rig.file("busy.gguf"), rig.file("kept.gguf")
    (await rig.up(busy)).worker.enter("somebody")
    await rig.up(kept, keep_alive_s=-1)
    rig.memory.total_bytes = 2100
    operation = Operation("setup")
    with pytest.raises(WizError, match="too large"):
        await rig.up(context=200, operation=operation)
    assert rig.alive() == [1000, 1001] and not notices(operation)


async def test_nothing_is_unloaded_in_vain(rig: Rig) -> None:
    await rig.up(rig.file("idle.gguf"))
    rig.memory.total_bytes = 1100
    with pytest.raises(WizError, match="too large"):
        await rig.up(context=5000)
    assert rig.alive() == [1000]


async def test_what_is_too_big_is_not_loaded_by_itself(rig: Rig) -> None:
    rig.memory.total_bytes = 150
    with pytest.raises(NotEnoughMemory, match=r"m\.gguf is not loaded: it takes 214 B") as raised:
        await rig.up(context=114)
    assert "--anyway" in raised.value.info().hint
    assert not rig.processes
    operation = Operation("setup")
    await rig.up(context=114, operation=operation, anyway=True)
    assert notices(operation) == [
        "m.gguf may not run here: it needs 214 B of memory, and 150 B are free."
    ]
    # What was agreed to once is asked again: nothing loads it by itself.
    remembered = rig.climb.remembered(rig.key)
    assert remembered is not None
    assert not remembered.load.anyway


async def test_what_gave_way_to_a_failure_comes_back(rig: Rig) -> None:
    old = rig.file("old.gguf")
    await rig.up(old, context=50)
    rig.memory.total_bytes = 1100
    rig.next_context_fails = WorkerDied("dead")
    spawn, n = rig.supervisor._spawn, iter(range(9))

    async def the_first_fails(emit: object, on_crash: object) -> object:
        rig.next_context_fails = WorkerDied("dead") if next(n) == 0 else None
        return await spawn(emit, on_crash)  # type: ignore[arg-type]

    rig.supervisor._spawn = the_first_fails  # type: ignore[assignment]
    with pytest.raises(WorkerDied):
        await rig.up()
    (pid,) = rig.alive()
    (worker,) = rig.supervisor.all()
    assert (worker.path, worker.process.pid) == (str(old), pid)
    assert worker.context is not None and worker.context.context_size == 50


async def test_a_link_and_a_relative_path_are_the_loaded_model(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rig.up()
    link = rig.folder / "snapshots" / "b" / "m.gguf"
    link.parent.mkdir(parents=True)
    link.symlink_to(rig.path)
    hard = rig.folder / "hard.gguf"
    os.link(rig.path, hard)
    monkeypatch.chdir(rig.folder)
    for path in (link, hard, Path("m.gguf")):
        assert (await rig.up(path)).model.shared
    assert rig.alive() == [1000]


async def test_a_replaced_file_is_loaded_anew_and_that_is_said(rig: Rig) -> None:
    await rig.up()
    (rig.folder / "new").write_bytes(b"GGUF other weights")
    (rig.folder / "new").replace(rig.path)
    operation = Operation("setup")
    ready = await rig.up(operation=operation)
    assert not ready.model.shared
    assert rig.alive() == [1001]
    assert notices(operation) == ["m.gguf was replaced since it was loaded: it is loaded anew."]


async def test_a_replaced_file_that_cannot_be_loaded_leaves_the_old_one(rig: Rig) -> None:
    await rig.up()
    rig.path.write_bytes(b"no model at all")
    rig.next_fails = ModelLoadFailed("no")
    with pytest.raises(ModelLoadFailed):
        await rig.up()
    assert rig.alive() == [1000]


async def test_a_held_worker_is_not_expired_nor_made_room_with(rig: Rig) -> None:
    async with rig.climb.ready(Operation("prompt"), Wish(path=rig.path)) as ready:
        rig.now += 1e6
        await rig.supervisor.unload_expired()
        assert rig.alive() == [1000]
        ready.worker.enter("a")
    await rig.supervisor.unload_expired()
    assert rig.alive() == [1000]
    assert not rig.supervisor.idle()


async def test_what_is_there_is_taken_without_asking_the_worker(rig: Rig) -> None:
    await rig.up(context=128)
    n_asked = rig.processes[0].n_asked
    wish = Wish(path=rig.path, takes_what_is_there=True)
    async with rig.climb.ready(Operation("prompt"), wish) as ready:
        assert ready.context is not None and ready.context.context_size == 128
    assert rig.processes[0].n_asked == n_asked


@pytest.mark.parametrize("seed", range(20))
async def test_random_pairs_end_in_what_was_asked_or_in_a_conflict(rig: Rig, seed: int) -> None:
    chance = random.Random(seed)
    files = [rig.path, rig.file("n.gguf")]

    async def one() -> None:
        operation = Operation("setup")
        wanted = chance.choice([None, 64, 128])
        if chance.random() < 0.2:
            asyncio.get_running_loop().call_later(chance.random() / 500, operation.cancel)
        path, reload = chance.choice(files), chance.random() < 0.2
        try:
            ready = await rig.up(path, wanted, operation, reload=reload)
        except Conflict as error:
            assert error.details["difference"]
        except OperationCancelled:
            assert operation.cancelling
        except WorkerDied:
            pass
        else:
            assert ready.context is not None
            assert wanted in (None, ready.context.context_size)

    async def kills() -> None:
        for _ in range(3):
            await asyncio.sleep(chance.random() / 500)
            for worker in rig.supervisor.all()[:1]:
                await worker.process.end()

    for _ in range(10):
        await asyncio.gather(one(), one(), *([kills()] if chance.random() < 0.3 else []))
        await asyncio.sleep(0)
        alive = {process.pid for process in rig.processes if not process.gone.is_set()}
        known = {worker.process.pid for worker in rig.supervisor.all()}
        assert alive == known and len(known) <= 2


async def test_a_load_asks_the_worker_twice_and_a_shared_one_as_little_as_it_can(rig: Rig) -> None:
    await rig.up(context=128)
    assert rig.processes[0].n_asked == 2  # the model, the context
    async with rig.climb.ready(Operation("setup"), Wish(path=rig.path, takes_what_is_there=True)):
        pass
    assert rig.processes[0].n_asked == 2
    await rig.up(context=128)
    assert rig.processes[0].n_asked == 4
