"""The watch over a worker that has work: whom it tells, when it ends what, and what it leaves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from wiz_kernel_ext.errors import WorkerDied
from wiz_kernel_ext.protocol.pulse import Pulse
from wiz_kernel_ext.service import worker_watch
from wiz_kernel_ext.service.progress import Look, Silent
from wiz_kernel_ext.service.worker_watch import Asked, Reason, WorkerWatch

TICK_S = 0.02


class Worker:
    """A worker whose pulse and looks a test sets, and the watch over it."""

    def __init__(self, hung_after_s: float = 1.0) -> None:
        self.n_done = 0
        self.beats = True
        self.answers = True
        self.fails = False
        self.is_stopped = False
        self.n_asked = 0
        self.ended: list[Reason] = []
        self.n_changes = 0
        self.watch = WorkerWatch(
            self._pulse, self._look, self.ended.append, hung_after_s=hung_after_s,
            on_change=self._changed,
        )  # fmt: skip

    async def _pulse(self) -> Pulse:
        self.n_asked += 1
        if self.fails:
            raise WorkerDied("gone")
        if not self.answers:
            await asyncio.Event().wait()
        self.n_done += self.beats
        return Pulse(self.n_done, self.n_done)

    def _look(self, pulse: Pulse | None) -> Look:
        return Look(pulse, is_stopped=self.is_stopped)

    def _changed(self) -> None:
        self.n_changes += 1

    def ask(self) -> tuple[Asked, list[Silent]]:
        told: list[Silent] = []
        asked = Asked("prompt", told.append)
        self.watch.enter(asked)
        return asked, told


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty times as fast."""
    monkeypatch.setattr(worker_watch, "TICK_S", TICK_S)
    monkeypatch.setattr(worker_watch, "TELL_AFTER_S", 0.1)


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    worker = Worker()
    yield worker
    await worker.watch.close()


async def ticks(n: int) -> None:
    await asyncio.sleep(n * TICK_S)


async def test_an_idle_one_is_left_alone_and_one_that_works_is_not_told_of(worker: Worker) -> None:
    await ticks(5)
    assert not worker.n_asked
    asked, told = worker.ask()
    await ticks(20)
    assert worker.n_asked > 3
    assert not told
    assert not worker.ended
    worker.watch.leave(asked)
    await ticks(5)
    n_asked = worker.n_asked
    await ticks(10)
    assert worker.n_asked == n_asked


@pytest.mark.parametrize("answers", [True, False])
async def test_each_asker_is_told_once_also_who_comes_later(worker: Worker, answers: bool) -> None:
    worker.beats, worker.answers = False, answers
    _, first = worker.ask()
    await ticks(20)
    _, second = worker.ask()
    await ticks(10)
    assert (len(first), len(second)) == (1, 1)
    assert second[0].silent_s > first[0].silent_s
    assert first[0].left_s is not None
    assert worker.watch.silent_s > 0
    assert worker.n_changes == 1
    assert worker.n_asked < 40


async def test_what_goes_on_is_shown_no_more_and_told_again_the_next_time(worker: Worker) -> None:
    worker.beats = False
    _, told = worker.ask()
    await ticks(20)
    worker.beats = True
    await ticks(8)
    assert worker.watch.silent_s == 0
    assert worker.n_changes == 2
    worker.beats = False
    await ticks(20)
    assert len(told) == 2


async def test_after_the_bound_it_has_hung(worker: Worker) -> None:
    worker.beats = False
    worker.ask()
    await ticks(100)
    assert worker.ended
    assert set(worker.ended) == {"hung"}


@pytest.mark.parametrize("hung_after_s", [0.0, -1.0])
async def test_without_a_bound_it_never_has(hung_after_s: float) -> None:
    worker = Worker(hung_after_s)
    worker.beats = False
    _, told = worker.ask()
    await ticks(100)
    assert not worker.ended
    assert told[0].left_s is None
    await worker.watch.close()


async def test_what_was_given_up_is_ended_once_it_is_seen_to_hang_but_not_while_others_wait(
    worker: Worker,
) -> None:
    worker.beats = False
    mine, _ = worker.ask()
    other, _ = worker.ask()
    mine.is_given_up = True
    worker.watch.leave(mine)
    await ticks(20)
    assert not worker.ended, "another waits for it"
    other.is_given_up = True
    worker.watch.leave(other)
    assert worker.ended == ["given up"]


async def test_one_that_was_stopped_is_ended_as_soon_as_nobody_waits(worker: Worker) -> None:
    worker.is_stopped, worker.answers = True, False
    asked, _ = worker.ask()
    await ticks(1)
    asked.is_given_up = True
    worker.watch.leave(asked)
    assert worker.ended == ["given up"]


async def test_a_step_that_was_only_slow_ends_nothing(worker: Worker) -> None:
    worker.beats = False
    asked, _ = worker.ask()
    await ticks(2)
    asked.is_given_up = True
    worker.watch.leave(asked)
    worker.beats = True
    await ticks(20)
    assert not worker.ended
    n_asked = worker.n_asked
    await ticks(5)
    assert worker.n_asked == n_asked, "its end was seen"


async def test_while_the_service_itself_was_stopped_nothing_is_counted(worker: Worker) -> None:
    worker.beats = False
    worker.ask()
    await ticks(3)
    time.sleep(1.5)  # noqa: ASYNC251 - it is the event loop that is to stand still
    await ticks(2)
    assert not worker.ended


async def test_a_pulse_that_cannot_be_asked_is_none(worker: Worker) -> None:
    worker.fails = True
    _, told = worker.ask()
    await ticks(20)
    assert told
