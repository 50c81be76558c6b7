"""What is progress, and what is silence, by looks that are made up and by a real process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace

import psutil
import pytest

from wiz_kernel_ext.protocol.pulse import Pulse
from wiz_kernel_ext.service.progress import TELL_AFTER_S, Look, Silence, Silent, look_at

STANDS = Look(Pulse(7, 3), cpu_s=1.0, moved_bytes=1 << 30, memory_bytes=1 << 30)
N = 100


def after(looks: list[Look], *, may_be_silent: bool = False) -> Silence:
    """The silence after looks that are a second apart; the first is the baseline."""
    silence = Silence()
    for look in looks:
        silence.take(look, 1.0, may_be_silent=may_be_silent)
    return silence


@pytest.mark.parametrize(
    "step",
    [
        {"pulse": 1},
        {"moved_bytes": 1 << 17},
        {"memory_bytes": 1 << 21},
    ],
    ids=["a pulse that goes on", "a mapped file that is read", "pages that come in"],
)
def test_whatever_goes_on_is_progress(step: dict[str, int]) -> None:
    looks = []
    for n in range(N):
        pulse = Pulse(7 + n * step.get("pulse", 0), 3)
        rest = {
            name: getattr(STANDS, name) + n * by for name, by in step.items() if name != "pulse"
        }
        looks.append(replace(STANDS, pulse=pulse, **rest))
    silence = after(looks)
    assert (silence.shown_s, silence.counted_s) == (0.0, 0.0)


@pytest.mark.parametrize("pulse", [Pulse(7, 3), None], ids=["answers", "does not answer"])
def test_an_engine_that_stands_still_is_silent_whether_or_not_it_answers(
    pulse: Pulse | None,
) -> None:
    silence = after([replace(STANDS, pulse=pulse)] * (N + 1))
    assert silence.shown_s == silence.counted_s >= N
    assert silence.shown_s > TELL_AFTER_S


def test_a_few_bytes_of_its_own_talk_are_no_progress() -> None:
    looks = [replace(STANDS, moved_bytes=n * 100, memory_bytes=n * 4096) for n in range(N + 1)]
    assert after(looks).counted_s == N


def test_computing_alone_is_shown_but_counts_little_where_it_may_be_silent() -> None:
    looks = [replace(STANDS, cpu_s=2.0 * n) for n in range(N + 1)]
    for may_be_silent, counted_s in ((True, N / 10), (False, N)):
        silence = after(looks, may_be_silent=may_be_silent)
        assert silence.shown_s == N
        assert silence.counted_s == pytest.approx(counted_s)


def test_a_load_that_waits_without_computing_counts_in_full() -> None:
    assert after([STANDS] * (N + 1), may_be_silent=True).counted_s == N


def test_time_that_it_was_not_given_does_not_count() -> None:
    looks = [replace(STANDS, cpu_s=0.1 * n, wants_cpu=True) for n in range(N + 1)]
    assert after(looks).counted_s == pytest.approx(N / 10)
    assert after([replace(STANDS, wants_cpu=True)] * (N + 1)).counted_s == pytest.approx(N / 20)


def test_what_goes_on_again_is_as_if_nothing_was() -> None:
    silence = after([STANDS] * N)
    assert silence.take(replace(STANDS, pulse=Pulse(8, 4)), 1.0, may_be_silent=False)
    assert (silence.shown_s, silence.counted_s) == (0.0, 0.0)


def test_a_process_is_seen_to_be_stopped_and_to_be_gone() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        look = look_at(process.pid, None)
        assert not look.is_stopped
        os.kill(process.pid, signal.SIGSTOP)
        while psutil.Process(process.pid).status() != psutil.STATUS_STOPPED:
            pass
        assert look_at(process.pid, Pulse(1, 1)).is_stopped
    finally:
        process.kill()
        process.communicate()
    assert look_at(process.pid, Pulse(1, 1)) == Look(Pulse(1, 1))


def test_who_waits_is_told_how_to_end_it_and_when_it_ends_by_itself() -> None:
    text = Silent(6.2, 53.8, is_stopped=False).notice("op-1").text
    assert text == (
        "The model's process has made no progress for 6 s: `wiz cancel op-1` ends this; else it is "
        "ended in 54 s."
    )
    text = Silent(6.2, None, is_stopped=True).notice("op-1").text
    assert "(it is stopped, as by SIGSTOP)" in text
    assert "else" not in text
