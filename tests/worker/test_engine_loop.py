"""Commands and steps take turns on one thread, and nobody who asks is left waiting."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from wiz_kernel_ext.errors import ServiceStopping
from wiz_kernel_ext.worker.call import Call
from wiz_kernel_ext.worker.engine_loop import EngineLoop


class Steps:
    """A step that has something to do so many times."""

    def __init__(self) -> None:
        self.left = 0
        self.done = 0
        self.finished = threading.Event()

    def __call__(self) -> bool:
        self.done += bool(self.left)
        if self.left == 1:
            self.finished.set()
        self.left = max(0, self.left - 1)
        return self.left > 0


@pytest.fixture
def steps() -> Steps:
    return Steps()


@pytest.fixture
def loop(steps: Steps) -> Iterator[EngineLoop]:
    loop = EngineLoop()
    thread = threading.Thread(target=loop.run, args=(steps,))
    thread.start()
    yield loop
    loop.stop()
    thread.join(5)
    assert not thread.is_alive()


async def test_a_call_returns_or_raises_what_its_function_does(loop: EngineLoop) -> None:
    assert await loop.call(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        await loop.call(lambda: 1 // 0)
    assert await loop.call(threading.get_ident) != threading.get_ident()


async def test_steps_go_on_until_there_is_nothing_to_do(loop: EngineLoop, steps: Steps) -> None:
    def begin() -> None:
        steps.left = 50

    await loop.call(begin)
    assert await asyncio.to_thread(steps.finished.wait, 10)
    assert await loop.call(lambda: steps.done) == 50


async def test_a_command_that_fails_does_not_end_the_loop(loop: EngineLoop) -> None:
    loop.post(lambda: 1 // 0)
    assert await loop.call(lambda: "still here") == "still here"


async def test_a_call_given_up_before_its_turn_is_not_run(loop: EngineLoop) -> None:
    gate, ran = threading.Event(), []
    loop.post(gate.wait)
    waiting = asyncio.create_task(loop.call(lambda: ran.append(1)))
    await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    gate.set()
    await loop.call(lambda: None)
    assert ran == []


async def test_after_the_end_a_call_is_refused(steps: Steps) -> None:
    loop = EngineLoop()
    loop.stop()
    loop.run(steps)
    with pytest.raises(ServiceStopping):
        await loop.call(lambda: 1)


def test_a_call_is_cancelled_once_and_tells_late_listeners_at_once() -> None:
    call, heard = Call(), []
    call.on_cancel(lambda: heard.append("first"))
    call.cancel()
    call.cancel()
    call.on_cancel(lambda: heard.append("late"))
    assert heard == ["first", "late"]
    assert call.cancelled
