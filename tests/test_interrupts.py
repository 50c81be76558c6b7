"""One interrupt counts: a second one cannot break into what the first one set off."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext

import pytest

from wiz_kernel_ext import interrupts
from wiz_kernel_ext.interrupts import held, taken


@pytest.fixture(autouse=True)
def _as_in_a_cell() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def interrupt() -> None:
    """As ■ does."""
    os.kill(os.getpid(), signal.SIGINT)


def left(
    holding: AbstractContextManager[None], ready: AbstractContextManager[None]
) -> tuple[bool, str]:
    """Whether the leaving was done to its end with two interrupts in it, and what came out."""
    done = False
    try:
        with holding:
            try:
                with ready:
                    interrupt()
                    time.sleep(5)
            except KeyboardInterrupt:
                for _ in range(2):
                    interrupt()
                    time.sleep(0.01)
                done = True
                raise
    except KeyboardInterrupt as error:
        return done, type(error).__name__
    return done, ""


def test_what_the_first_one_sets_off_is_done_to_its_end() -> None:
    assert left(held(), taken()) == (True, "KeyboardInterrupt")


def test_without_it_the_second_one_breaks_in() -> None:
    assert left(nullcontext(), nullcontext()) == (False, "KeyboardInterrupt")


def test_one_that_comes_where_nobody_is_ready_breaks_in_at_the_next_place() -> None:
    reached = ""
    with pytest.raises(KeyboardInterrupt), held():
        interrupt()
        time.sleep(0.01)
        reached = "work begun"
        with taken():
            reached = "waiting"
    assert reached == "work begun"


def test_one_that_no_place_took_is_raised_at_the_end() -> None:
    done = False
    with pytest.raises(KeyboardInterrupt), held():
        interrupt()
        time.sleep(0.01)
        done = True
    assert done


def test_after_some_time_one_breaks_in_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "GRACE_S", 0.05)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), held():
        interrupt()
        time.sleep(0.1)
        interrupt()
        time.sleep(30)
    assert time.monotonic() - began < 20


def test_behind_a_cell_the_rest_of_a_crowd_is_ignored_for_a_moment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(KeyboardInterrupt), held(in_cell=True), taken():
        interrupt()
        time.sleep(5)
    interrupt()
    time.sleep(0.01)
    monkeypatch.setattr(interrupts, "LINGER_S", 0.0)
    with pytest.raises(KeyboardInterrupt):
        interrupt()
        time.sleep(5)
    with held():
        pass  # and the next block begins anew


def test_the_outermost_block_counts() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), held():
        with held():
            interrupt()
            time.sleep(0.01)
            done.append("inner")
        done.append("outer")
    assert done == ["inner", "outer"]


def test_where_a_program_handles_interrupts_itself_and_in_another_thread_nothing_changes() -> None:
    came = []
    own = signal.signal(signal.SIGINT, lambda *_: came.append("own"))
    with held(), taken():
        interrupt()
        time.sleep(0.01)
    signal.signal(signal.SIGINT, own)
    handlers = []

    def elsewhere() -> None:
        with held(), taken():
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert came == ["own"]
    assert handlers == [signal.default_int_handler]
