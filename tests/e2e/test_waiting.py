"""Who waits is told for what, how far that is and how to end it: in Python, a cell, a terminal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.test_survival import LONG, LONG_OPTIONS, wait_text
from tests.notebook.kernels import FrontEnd
from tests.support.homes import Home
from wiz_kernel_ext.client import Client, Operation
from wiz_kernel_ext.protocol.events import WAITING, Progress
from wiz_kernel_ext.protocol.requests import Load
from wiz_kernel_ext.protocol.results import TERMINAL_STATES

TIMEOUT_S = 30.0


def waits(operation: Operation) -> Iterator[str]:
    """What it says of its waiting, as it comes."""
    for event in operation.events():
        if isinstance(event, Progress) and event.stage == WAITING:
            yield event.words


@pytest.fixture
def ahead(client: Client, slow_model: Path) -> Operation:
    """An answer that takes long, in the one sequence there is."""
    client.load(str(slow_model), sequences=1, session="talk")
    operation = client.send_prompt(LONG, session="talk", **LONG_OPTIONS)
    wait_text(client, operation.id)
    return operation


def until_answered(operation: Operation) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while operation.state not in TERMINAL_STATES:
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("session", ["talk", "other"], ids=["its turn", "a sequence"])
def test_a_prompt_that_waits_names_the_one_it_waits_for_and_the_way_out_works(
    client: Client, ahead: Operation, session: str
) -> None:
    client.open_session(session)
    late = client.send_prompt("Hello", session=session, max_tokens=3, autoload=True)
    later = client.send_prompt("Hello?", session=session, max_tokens=3, autoload=True)
    said, more = waits(late), waits(later)
    first = next(said)
    assert first.startswith(f"waiting for {ahead.id} (prompt “{LONG}”, session talk, "), first
    assert "tokens so far" in first
    assert f"client.cancel({ahead.id!r}) ends it, client.attach({ahead.id!r}) shows it" in first
    assert next(said) != first, "how far it is, is told again"
    assert "and 1 more" in next(more) or session == "other"
    shown = {one.id: one for one in client.operations()}
    assert shown[late.id].stage == WAITING
    client.cancel(ahead.id)
    assert len(late.result(TIMEOUT_S)) > 0
    assert len(later.result(TIMEOUT_S)) > 0


def test_a_load_that_waits_for_another_of_the_same_model_says_so(
    home: Home, client: Client, slow_model: Path
) -> None:
    first = client.start(Load(model=str(slow_model)))
    deadline = time.monotonic() + TIMEOUT_S
    while not home.workers():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    (worker,) = home.workers()
    worker.send_signal(signal.SIGSTOP)
    try:
        second = client.start(Load(model=str(slow_model)))
        assert next(waits(second)).startswith(f"waiting for {first.id} (load “slow.gguf”, ")
    finally:
        worker.send_signal(signal.SIGCONT)
    assert second.result(TIMEOUT_S).model.shared
    first.result(TIMEOUT_S)


def test_what_does_not_wait_says_nothing_of_it(client: Client) -> None:
    client.load("demo", session="talk")
    operation = client.send_prompt("Hello", session="talk")
    operation.result(TIMEOUT_S)
    assert list(waits(operation)) == []


def test_a_cell_says_so_in_its_footer_and_a_magic_ends_it(
    home: Home, client: Client, ahead: Operation
) -> None:
    kernel = FrontEnd(home, "/work/waiting.ipynb")
    try:
        kernel.must("%load_ext wiz_kernel_ext")
        message = kernel.ask("%wiz_prompt --session talk --max-tokens 3 Hello")

        def says_so(found: dict[str, object]) -> bool:
            return f"%wiz_cancel {ahead.id} ends it" in str(found["content"])

        kernel.until(message, says_so)
        client.cancel(ahead.id)
        assert kernel.wait(message).status == "ok"
    finally:
        kernel.close()


def test_a_terminal_says_so_and_its_command_ends_it(
    home: Home, client: Client, ahead: Operation
) -> None:
    words = [sys.executable, "-m", "wiz_kernel_ext"]
    environment = {**os.environ, **home.environment}
    with subprocess.Popen(
        [*words, "prompt", "--session", "talk", "--max-tokens", "3", "Hello"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as waiting:
        assert waiting.stderr is not None
        line = waiting.stderr.readline()
        assert f"jupyter wiz cancel {ahead.id} ends it" in line
        subprocess.run([*words, "cancel", ahead.id], env=environment, check=True)
        assert waiting.wait(TIMEOUT_S) == 0
    until_answered(ahead)
