"""After a restart, or from a page that was closed, a cell says how to go on watching what runs."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.test_survival import LONG, LONG_FLAGS
from tests.notebook.kernels import FrontEnd
from tests.support.homes import Home
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.protocol.results import OperationInfo

LOAD_EXT = "%load_ext wiz_kernel_ext"


def running(client: Client) -> OperationInfo:
    """The one that runs."""
    (one,) = [one for one in client.operations() if one.ended_at is None]
    return one


Restarted = tuple[FrontEnd, OperationInfo]


@pytest.fixture
def restarted(home: Home, client: Client, slow_model: Path) -> Iterator[Restarted]:
    """A kernel that was restarted in the middle of an answer, and that answer.

    Its worker stands still, so that the answer lasts as long as the test looks.
    """
    kernel = FrontEnd(home, "/work/story.ipynb")
    try:
        kernel.must(f"{LOAD_EXT}\n%wiz_load {slow_model}")
        message = kernel.ask(f"%wiz_prompt {LONG} {LONG_FLAGS}")
        kernel.until(message, lambda found: "tokens/s" in str(found["content"]))
        one = running(client)
        home.workers()[0].send_signal(signal.SIGSTOP)
        kernel.restart()
        assert client.operation(one.id).state == "running"
        yield kernel, one
    finally:
        home.workers()[0].send_signal(signal.SIGCONT)
        kernel.close()


def test_after_a_restart_load_ext_says_what_runs_and_the_magic_it_names_shows_it(
    home: Home, client: Client, restarted: Restarted
) -> None:
    kernel, one = restarted
    page = kernel.must(LOAD_EXT)
    assert f"Goes on from before: prompt “{LONG}” (running, " in page.text
    magic = f"%wiz_attach {one.id}"
    assert magic in page.text
    home.workers()[0].send_signal(signal.SIGCONT)
    message = kernel.ask(magic)
    kernel.until(message, lambda found: "tokens/s" in str(found["content"]))
    kernel.interrupt()
    page = kernel.wait(message)
    assert page.status == "error", (page.text, client.operation(one.id))
    assert kernel.must(LOAD_EXT.replace("load", "reload")).text == "", "nothing runs any more"


def test_the_next_prompt_says_it_too(home: Home, client: Client, restarted: Restarted) -> None:
    kernel, one = restarted
    message = kernel.ask(f"{LOAD_EXT}\n%wiz_prompt --max-tokens 2 Hello")
    ways = f"%wiz_cancel {one.id} ends it, %wiz_attach {one.id} shows it"
    kernel.until(message, lambda found: ways in str(found["content"]))
    home.workers()[0].send_signal(signal.SIGCONT)
    client.cancel(one.id)
    assert kernel.wait(message).status == "ok"


def test_the_frozen_cell_itself_says_so(home: Home, client: Client, slow_model: Path) -> None:
    """What a page has that was closed and is open again: the last it was told."""
    kernel = FrontEnd(home, "/work/story.ipynb")
    try:
        kernel.must(f"{LOAD_EXT}\n%wiz_load {slow_model}")
        message = kernel.ask(f"%wiz_prompt {LONG} {LONG_FLAGS}")
        way = "tokens/s · session story · if this stands still: %wiz_attach op-"
        kernel.until(message, lambda found: way in str(found["content"]))
    finally:
        kernel.close()


def test_what_others_ask_is_not_this_notebooks_and_a_service_that_hangs_is_not_waited_for(
    home: Home, client: Client, slow_model: Path
) -> None:
    client.load(str(slow_model), session="another")
    client.send_prompt(LONG, session="another", max_tokens=2000)
    kernel = FrontEnd(home, "/work/story.ipynb")
    (service,) = home.services()
    try:
        assert kernel.must(LOAD_EXT).text == ""
        kernel.restart()
        service.send_signal(signal.SIGSTOP)
        page = kernel.must(LOAD_EXT)
        assert page.text == ""
        assert page.time_s < 10
    finally:
        service.send_signal(signal.SIGCONT)
        kernel.close()
