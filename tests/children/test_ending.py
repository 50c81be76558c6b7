"""How a process ended is told in the same words wherever it ran."""

from __future__ import annotations

import pytest

from wiz_kernel_ext.children.child import Ended
from wiz_kernel_ext.children.ending import describe_exit, not_started


@pytest.mark.parametrize(
    ("returncode", "words"),
    [
        (None, "is gone"),
        (0, "ended with exit code 0"),
        (3, "ended with exit code 3"),
        (-9, "was killed by SIGKILL (the system does that when memory runs out)"),
        (-11, "was killed by SIGSEGV"),
        (-6, "was killed by SIGABRT"),
        (-64, "was killed by SIGRTMAX"),
        (-99, "was killed by signal 99"),
    ],
)
def test_the_end_of_a_process_is_told_in_words(returncode: int | None, words: str) -> None:
    assert describe_exit(returncode) == words


def test_what_a_signal_means_is_said_where_it_is_known() -> None:
    reasons = {"SIGSEGV": "a crash inside llama.cpp"}
    assert describe_exit(-11, reasons) == "was killed by SIGSEGV (a crash inside llama.cpp)"
    assert "memory runs out" in describe_exit(-9, reasons)


def test_an_ended_child_says_its_last_line_too() -> None:
    assert str(Ended(-11, ["a", "b"])) == "its process was killed by SIGSEGV: b"
    assert str(Ended(2, [])) == "its process ended with exit code 2"


def test_where_no_process_can_be_started_the_reason_is_the_systems() -> None:
    error = not_started("The model is not loaded", OSError(12, "Cannot allocate memory"))
    assert error.message == (
        "The model is not loaded: no process can be started (Cannot allocate memory)."
    )
    assert "Close what you do not need" in (error.hint or "")
