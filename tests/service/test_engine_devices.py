"""What the service learns of devices from a worker, and says of a card that is left unused."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.support.homes import Home
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.engine_check.cards import CARDS, Card
from wiz_kernel_ext.errors import WorkerDied
from wiz_kernel_ext.protocol.events import AnyEvent, Notice
from wiz_kernel_ext.protocol.results import RuntimeInfo
from wiz_kernel_ext.service import engine as module
from wiz_kernel_ext.service.engine import Engine


class Worker:
    """A worker that answers with what it is given, or not."""

    def __init__(self, answer: RuntimeInfo | Exception | None) -> None:
        self.answer = answer
        self.n_asked = 0

    async def initialize(self) -> RuntimeInfo:
        self.n_asked += 1
        if self.answer is None:
            await asyncio.sleep(3600)
        if isinstance(self.answer, Exception):
            raise self.answer
        assert self.answer is not None
        return self.answer


CPU = RuntimeInfo(versions={}, devices=["CPU: X"])
GPU = RuntimeInfo(versions={}, devices=["CUDA0: A Card", "CPU: X"], gpu_offload=True)


@pytest.fixture
async def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setattr(module, "LOOK_TIMEOUT_S", 0.05)
    monkeypatch.setattr(module, "cards_here", lambda: [CARDS[0]])
    engine = Engine(tmp_path)
    await engine.way(lambda event: None)
    return engine


async def met(engine: Engine, worker: Any) -> list[str]:
    said: list[AnyEvent] = []
    await engine.meet(worker, said.append)
    return [event.text for event in said if isinstance(event, Notice)]


async def test_a_card_that_is_left_unused_is_said_once_and_stays_in_the_status(
    engine: Engine,
) -> None:
    (said,) = await met(engine, Worker(CPU))
    assert "an NVIDIA card here" in said
    assert await met(engine, Worker(CPU)) == []
    assert engine.info is not None
    assert (engine.info.devices, engine.info.notice) == (["CPU: X"], said)


async def test_a_card_that_is_used_or_that_nobody_has_is_not_spoken_of(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await met(engine, Worker(GPU)) == []
    assert engine.info is not None and engine.info.devices == GPU.devices
    none: list[Card] = []
    monkeypatch.setattr(module, "cards_here", lambda: none)
    again = Engine(engine._data_dir)
    await again.way(lambda event: None)
    assert await met(again, Worker(CPU)) == []


async def test_a_worker_that_dies_or_hangs_is_asked_for_nothing(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "START_TIMEOUT_S", 0.05)
    assert await met(engine, Worker(WorkerDied("dead"))) == []
    assert await met(engine, Worker(None)) == []
    assert len(await met(engine, Worker(CPU))) == 1  # and the next one is


async def test_what_is_free_is_looked_at_again_now_and_then(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await met(engine, Worker(CPU))
    worker = Worker(GPU)
    free: Any = [worker]
    await engine.look_at_devices(free)
    assert worker.n_asked == 0  # just now
    monkeypatch.setattr(module, "LOOK_INTERVAL_S", 0.0)
    await engine.look_at_devices([])
    await engine.look_at_devices(free)
    assert engine.info is not None and engine.info.devices == GPU.devices


def test_a_real_service_tells_its_devices_once_a_worker_was_started(
    home: Home, client: Client
) -> None:
    client.load("demo")
    info = client.status().service.engine
    assert info is not None
    (cpu,) = info.devices
    assert cpu.startswith("CPU: ")
    assert client.initialize().devices[0].split(",")[0] == cpu.split(",")[0]
