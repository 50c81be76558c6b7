"""A model loaded, a long pause in which the service ends for want of use, and the first prompt."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator

import pytest

from tests.notebook.kernels import FrontEnd
from tests.support.homes import Home

END_TIMEOUT_S = 30.0


@pytest.fixture
def here() -> Iterator[Home]:
    """A service that keeps an unused model a moment, and itself not much longer."""
    here = Home.make(keep_alive_s=0.2, idle_exit_s=0.2)
    yield here
    here.close()


@pytest.fixture
def kernel(here: Home) -> Iterator[FrontEnd]:
    kernel = FrontEnd(here, "/work/story.ipynb")
    kernel.must("%load_ext wiz_kernel_ext\n%wiz_load demo --ctx 512")
    yield kernel
    kernel.close()


def pause(here: Home) -> None:
    """Until the service has ended by itself."""
    deadline = time.monotonic() + END_TIMEOUT_S
    while here.services():
        assert time.monotonic() < deadline, here.log()
        time.sleep(0.05)


@pytest.mark.parametrize("options", ["", "--session other "])
def test_the_first_prompt_after_it_is_answered_by_the_model_there_was(
    here: Home, kernel: FrontEnd, options: str
) -> None:
    pause(here)
    page = kernel.page(f"%wiz_prompt {options}Hello")
    assert page.status == "ok", page
    page = kernel.page(
        "from wiz_kernel_ext import Client\nClient().status().sessions[0].model_path"
    )
    assert "wiz-demo" in page.text


def test_a_new_conversation_after_it_has_the_old_ones_model_and_context(
    here: Home, kernel: FrontEnd
) -> None:
    kernel.must("%wiz_prompt Hello")
    kernel.must("%wiz_prompt --new Hello")
    pause(here)
    kernel.must("%wiz_prompt --new Hello")
    with contextlib.closing(sqlite3.connect(here.places.database_file)) as database:
        kept = database.execute("SELECT model_path, context_options FROM sessions").fetchall()
    assert len(kept) == 3
    assert all("wiz-demo" in path and "512" in options for path, options in kept)
