"""Which crash is a repetition, and what is not tried a third time."""

from __future__ import annotations

from pathlib import Path

import pytest

from wiz_kernel_ext.errors import CrashRepeated
from wiz_kernel_ext.service.crashes import Crash, Crashes

SEGV = Crash("prompt", "was killed by signal 11 (SIGSEGV)")


def test_only_the_same_model_stage_and_signal_repeat() -> None:
    crashes = Crashes()
    assert not crashes.note("a", SEGV)
    assert not crashes.note("b", SEGV)
    assert not crashes.note("a", Crash("load", SEGV.cause))
    assert not crashes.note("a", Crash("load", "was killed by signal 4 (SIGILL)"))
    crashes.refuse_repeated("a", Path("a"))
    assert crashes.note("a", Crash("load", "was killed by signal 4 (SIGILL)"))
    with pytest.raises(CrashRepeated, match=r"a is not loaded .* 2 times .*SIGILL") as raised:
        crashes.refuse_repeated("a", Path("a"))
    assert raised.value.details["stage"] == "load"
    crashes.refuse_repeated("b", Path("b"))


def test_an_answer_ends_the_row() -> None:
    crashes = Crashes()
    for _ in range(3):
        crashes.note("a", SEGV)
    crashes.forget("a")
    crashes.refuse_repeated("a", Path("a"))
    assert not crashes.note("a", SEGV)
