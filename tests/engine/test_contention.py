"""Threads make way for others at once, and come back when the machine is calm."""

from __future__ import annotations

import pytest

from wiz_kernel_ext.engine.contention import (
    CALM_LOOKS,
    FIRST_S,
    INTERVAL_S,
    PAUSE_S,
    Load,
    ThreadCount,
    measure,
)


class Machine:
    """Two or more cores, of which others use some and this process all its threads."""

    def __init__(self, most: int = 2, n_cores: int = 2) -> None:
        self.now = 0.0
        self.load = Load(0.0, 0.0)
        self.n_looks = 0
        self.threads = ThreadCount(most, n_cores=n_cores, measure=self.measure)

    def measure(self) -> Load:
        self.n_looks += 1
        return self.load

    def run(self, others: float, n_looks: int = 1, seconds: float = INTERVAL_S) -> list[int]:
        counts = []
        for _ in range(n_looks):
            own = self.threads.count * seconds
            self.load = Load(self.load.all_s + own + others * seconds, self.load.own_s + own)
            self.now += seconds
            self.threads.look(self.now)
            counts.append(self.threads.count)
        return counts


@pytest.mark.parametrize(
    ("most", "n_cores", "others", "count"),
    [
        (2, 2, 0.0, 2),
        (2, 2, 0.3, 2),
        (2, 2, 1.0, 1),
        (2, 2, 2.0, 1),
        (8, 8, 3.0, 5),
        (8, 16, 3.0, 8),
        (8, 16, 14.0, 2),
        (1, 2, 1.0, 1),
    ],
)
def test_the_count_is_what_others_leave_free(
    most: int, n_cores: int, others: float, count: int
) -> None:
    machine = Machine(most, n_cores)
    assert machine.run(others, n_looks=3)[-1] == count


def test_it_goes_down_at_once_and_up_only_after_calm() -> None:
    machine = Machine()
    assert machine.run(0.0, n_looks=2) == [2, 2]
    assert machine.run(1.0) == [1]
    assert machine.run(0.0, n_looks=CALM_LOOKS - 1)[-1] == 1
    assert machine.run(1.0) == [1]
    assert machine.run(0.0, n_looks=CALM_LOOKS)[-1] == 2


def test_it_does_not_look_more_often_than_it_must() -> None:
    machine = Machine()
    machine.run(0.0, n_looks=100, seconds=0.01)
    assert machine.n_looks <= 2 + 100 * 0.01 / INTERVAL_S
    alone = Machine(most=1)
    alone.run(1.0, n_looks=5)
    assert alone.n_looks == 0


def test_the_real_machine_can_be_measured() -> None:
    first, second = measure(), measure()
    assert second.all_s >= first.all_s > 0
    assert second.own_s >= first.own_s


@pytest.mark.parametrize(("pause_s", "count"), [(PAUSE_S + 0.1, 2), (600.0, 2), (0.1, 1)])
def test_who_was_busy_while_nothing_was_computed_here_does_not_count(
    pause_s: float, count: int
) -> None:
    machine = Machine()
    machine.run(others=0.0, n_looks=3)
    machine.threads.rest(machine.now)
    # Others computed in the pause, and then no more.
    machine.now += pause_s
    machine.load = Load(machine.load.all_s + 2 * pause_s + 1.0, machine.load.own_s)
    machine.run(others=0.0, seconds=0.1)
    assert machine.run(others=0.0) == [count]


def test_after_a_pause_all_compute_until_the_first_look_and_that_comes_soon() -> None:
    machine = Machine()
    machine.run(others=0.0)
    assert machine.run(others=2.0) == [1]
    machine.threads.rest(machine.now)
    machine.now += 10.0
    assert machine.run(others=2.0, seconds=0.01) == [2]
    assert machine.run(others=2.0, seconds=FIRST_S) == [1]


def test_a_calm_machine_is_not_taken_for_a_busy_one_at_a_prompts_beginning() -> None:
    machine = Machine()
    machine.run(others=0.0, n_looks=3)
    machine.threads.rest(machine.now)
    machine.now += 10.0
    assert machine.run(others=0.0, seconds=0.01) == [2]
    assert machine.run(others=1.0, seconds=FIRST_S) == [2]
    assert machine.run(others=0.0, seconds=INTERVAL_S) == [2]
