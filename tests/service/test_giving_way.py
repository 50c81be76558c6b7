"""Idle models give way when memory runs low: which ones, when, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.scripted_workers import Rig
from wiz_kernel_ext.cgroups import Room
from wiz_kernel_ext.protocol.events import Notice
from wiz_kernel_ext.service.giving_way import GivingWay
from wiz_kernel_ext.service.operations import Operation

MB = 1_000_000


class Memory:
    """800 MB in a cgroup, on a machine that has plenty; a model takes 100."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.others = 0

    def __call__(self) -> list[Room]:
        free = 800 * MB - self.others - 100 * MB * len(self.rig.alive())
        return [Room(64_000 * MB, 30_000 * MB), Room(800 * MB, max(free, 0))]


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


async def test_the_longest_unused_goes_first_and_no_more_than_needed(rig: Rig) -> None:
    memory = Memory(rig)
    way = GivingWay(rig.supervisor, memory)
    for name in ("old", "older", "new"):
        await rig.up(rig.file(f"{name}.gguf"))
        rig.now += 10
    old = rig.supervisor.all()[0]
    old.enter("a")
    old.leave("a")  # it was used once more
    await way.look()
    assert len(rig.alive()) == 3
    memory.others = 465 * MB  # 35 are free; below 40 it is low
    await way.look()
    assert rig.alive() == [1000, 1002]
    memory.others = 600 * MB
    await way.look()
    assert rig.alive() == [1000]
    operation = Operation("prompt")
    memory.others = 0
    await rig.up(rig.folder / "older.gguf", operation=operation)
    assert [n.event.text for n in operation.events if isinstance(n.event, Notice)] == [
        "older had been unloaded: memory was low, and it was not in use."
    ]


async def test_what_is_in_use_or_loading_stays(rig: Rig) -> None:
    memory = Memory(rig)
    memory.others = 800 * MB
    (await rig.up()).worker.enter("somebody")
    way = GivingWay(rig.supervisor, memory)
    await way.look()
    async with rig.supervisor.locked(rig.key):
        rig.supervisor.get(rig.key).leave("somebody")
        await way.look()
    assert rig.alive() == [1000]


async def test_what_was_loaded_into_little_memory_stays_until_others_take_more(rig: Rig) -> None:
    memory = Memory(rig)
    memory.others = 665 * MB
    worker = (await rig.up()).worker
    way = GivingWay(rig.supervisor, memory)
    for _ in range(3):
        await way.look()
    memory.others += 10 * MB
    await way.look()
    assert rig.alive() == [1000]
    rig.now += 5
    worker.enter("a")
    worker.leave("a")
    await way.look()  # as its user left it
    memory.others += 10 * MB
    await way.look()
    assert rig.alive() == [1000]
    memory.others += 10 * MB
    await way.look()
    assert not rig.alive()
