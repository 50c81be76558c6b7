"""What steps are taken to cost, by those that were measured."""

from __future__ import annotations

import pytest

from wiz_kernel_ext.engine.step_cost import ROW_COST, StepCost


def learn(cost: StepCost, n_rows: int, seconds: float) -> None:
    """Take a measure that is not the first of so many rows."""
    if n_rows > cost._most_rows:
        cost.learn(n_rows, 1e9)
    cost.learn(n_rows, seconds)


def test_what_was_not_measured_is_assumed_beside_what_was() -> None:
    assert not StepCost().is_known
    cost = StepCost()
    learn(cost, 1, 0.010)
    assert cost.is_known
    assert cost.curve(1, 3) == pytest.approx([0.010, 0.013, 0.016])
    many = StepCost()
    learn(many, 8, 0.010)
    assert many.curve(8, 9)[1] == pytest.approx(0.010 * (1 + 8 * ROW_COST) / (1 + 7 * ROW_COST))


def test_between_two_measures_it_is_on_the_line() -> None:
    cost = StepCost()
    learn(cost, 1, 0.010)
    learn(cost, 5, 0.018)
    assert cost.curve(1, 6)[:5] == pytest.approx([0.010, 0.012, 0.014, 0.016, 0.018])
    assert cost.curve(6, 6)[0] > 0.018


def test_one_slow_step_is_no_measure_and_a_slower_machine_is() -> None:
    cost = StepCost()
    for seconds in (0.010, 0.011, 0.300, 0.010, 0.011):
        learn(cost, 1, seconds)
    assert cost.curve(1, 1) == [0.011]
    for _ in range(3):
        learn(cost, 1, 0.020)
    assert cost.curve(1, 1) == [0.020]


def test_old_measures_are_forgotten() -> None:
    cost = StepCost()
    learn(cost, 4, 9.0)
    for _ in range(1000):
        learn(cost, 1, 0.010)
    assert cost.curve(4, 4)[0] < 0.1


def test_the_first_step_of_so_many_rows_is_no_measure() -> None:
    cost = StepCost()
    cost.learn(1, 9.0)
    assert not cost.is_known
    cost.learn(1, 0.010)
    cost.learn(8, 9.0)
    assert cost.curve(8, 8)[0] < 0.1
