"""How fast and how long still: measured from what is seen, not from what was there before."""

from __future__ import annotations

import pytest

from wiz_kernel_ext.commands.throughput import WINDOW_S, Throughput, told
from wiz_kernel_ext.protocol.events import Progress


class Clock:
    """A clock that goes when it is told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def at(done: float, stage: str = "download") -> Progress:
    """Progress of a thousand bytes."""
    return Progress(stage=stage, done=done, total=1000.0)


def test_the_speed_is_that_of_the_last_seconds() -> None:
    clock = Clock()
    throughput = Throughput(clock)
    throughput.take(at(0))
    assert throughput.per_s is None
    for done in (100, 200, 300):
        clock.now += 1.0
        throughput.take(at(done))
    assert throughput.per_s == pytest.approx(100.0)
    clock.now += 2 * WINDOW_S
    throughput.take(at(300))
    clock.now += WINDOW_S
    throughput.take(at(300))
    assert throughput.per_s == 0.0


def test_what_was_done_before_one_came_is_no_speed() -> None:
    clock = Clock()
    throughput = Throughput(clock)
    throughput.take(at(900))
    clock.now += 1.0
    throughput.take(at(910))
    assert throughput.per_s == pytest.approx(10.0)


def test_another_stage_and_a_new_beginning_are_measured_anew() -> None:
    clock = Clock()
    throughput = Throughput(clock)
    throughput.take(at(500))
    clock.now += 1.0
    throughput.take(at(0, stage="convert"))
    assert throughput.per_s is None
    clock.now += 1.0
    throughput.take(at(50, stage="convert"))
    assert throughput.per_s == pytest.approx(50.0)
    clock.now += 1.0
    throughput.take(at(10, stage="convert"))
    assert throughput.per_s is None


@pytest.mark.parametrize(
    ("progress", "speed", "line"),
    [
        (at(0), None, "0% · 0 B of 1000 B"),
        (at(500), 100.0, "50% · 500 B of 1000 B · 100 B/s · 5.0 s left"),
        (at(1000), 100.0, "100% · 1000 B of 1000 B · 100 B/s"),
        (at(500), 0.0, "50% · 500 B of 1000 B"),
        (Progress(stage="convert", done=2048), 1024.0, "2.0 KB · 1.0 KB/s"),
        (Progress(stage="download", done=0, total=0), None, "0 B"),
    ],
)
def test_progress_is_told_in_one_line(progress: Progress, speed: float | None, line: str) -> None:
    assert told(progress, speed) == line
