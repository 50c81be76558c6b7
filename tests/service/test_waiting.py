"""What a wait says: for whom, how far that is, how to end it; soon, anew, and not after it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from wiz_kernel_ext.protocol.events import WAITING, Delta, Progress, StateChanged
from wiz_kernel_ext.service import waiting
from wiz_kernel_ext.service.operations import Operation
from wiz_kernel_ext.service.waiting import before, behind, telling


def running(title: str = "Count", session: str | None = None) -> Operation:
    """A prompt that runs."""
    operation = Operation("prompt", title=title, session=session)
    operation.emit(StateChanged(state="running"))
    return operation


async def until(holds: Callable[[], bool]) -> None:
    """Wait until it holds."""
    while not holds():  # noqa: ASYNC110
        await asyncio.sleep(0.005)


def said(operation: Operation) -> str:
    """What is said of it to one who waits, but for its number and the commands."""
    words = behind([operation])
    begins, ends = f"waiting for {operation.id} (", f"): `wiz cancel {operation.id}` ends it, "
    assert words.startswith(begins)
    assert words.endswith(f"{ends}`wiz attach {operation.id}` shows it")
    return words[len(begins) : words.index(ends)]


def test_it_says_whose_it_is_and_how_far() -> None:
    one = running(session="lab")
    assert said(one) == "prompt “Count”, session lab, just begun"
    one.emit(Progress(stage="prompt", done=30, total=120))
    assert said(one) == "prompt “Count”, session lab, 25% read"
    one.emit(Delta(text="a"))
    assert said(one) == "prompt “Count”, session lab, 1 token so far"
    one.emit(Delta(text="b", n_tokens=4))
    assert said(one) == "prompt “Count”, session lab, 5 tokens so far"


def test_a_load_and_one_that_waits_itself() -> None:
    load = Operation("setup", title="demo")
    assert said(load) == "load “demo”, waiting too"
    load.emit(StateChanged(state="running"))
    load.emit(Progress(stage="load", done=0.5, total=1.0))
    assert said(load) == "load “demo”, 50%"
    load.emit(Progress(stage=WAITING, done=0, text="waiting for another"))
    assert said(load) == "load “demo”, waiting too"


def test_a_question_of_many_lines_is_one_short_one_and_no_command() -> None:
    words = said(running("Say `wiz stop`\nand  " + "x" * 100))
    assert words.startswith("prompt “Say 'wiz stop' and xxx")
    assert len(words) < 80


def test_of_several_the_first_is_named() -> None:
    many = [running() for _ in range(3)]
    assert f"{many[0].id} (prompt “Count”, just begun) and 2 more: " in behind(many)


def test_who_came_before_is_known_by_the_number() -> None:
    first, second, third = running(), running(), running()
    assert before([third, first, second], second) == [first]


async def test_it_is_said_soon_and_anew_until_the_wait_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting, "SOON_S", 0.01)
    monkeypatch.setattr(waiting, "AGAIN_S", 0.01)
    ahead, late = running(), Operation("prompt")
    with telling(late, lambda: [] if ahead.ended else [ahead]):
        await until(lambda: late.progress.stage == WAITING)
        n_events = late.events.next_seq
        await asyncio.sleep(0.1)
        assert late.events.next_seq == n_events, "nothing new is not said again"
        ahead.emit(Delta(text="a"))
        await until(lambda: "1 token" in late.progress.text)
    n_events = late.events.next_seq
    ahead.emit(Delta(text="b"))
    await asyncio.sleep(0.1)
    assert late.events.next_seq == n_events


async def test_a_short_wait_says_nothing() -> None:
    late = Operation("prompt")
    with telling(late, lambda: [running()]):
        await asyncio.sleep(0.01)
    await asyncio.sleep(waiting.SOON_S + 0.1)
    assert late.progress.stage == ""
