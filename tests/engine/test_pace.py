"""The budget of prompt tokens follows the measured speed."""

from __future__ import annotations

import pytest

from wiz_kernel_ext.engine.pace import LEAST, Pace


def learned(token_s: float, steps: int = 40) -> Pace:
    pace = Pace(most=512, n_params=10**9)
    for _ in range(steps):
        n = pace.n_tokens()
        pace.learn(n, 0, n * token_s)
    return pace


@pytest.mark.parametrize(
    ("token_s", "n_tokens"), [(0.0001, 512), (0.001, 150), (0.003, 50), (1.0, LEAST)]
)
def test_the_budget_settles_where_a_step_takes_the_target_time(
    token_s: float, n_tokens: int
) -> None:
    assert learned(token_s).n_tokens() == pytest.approx(n_tokens, rel=0.05)


def test_a_first_guess_comes_from_the_models_size() -> None:
    assert Pace(most=512, n_params=1_000_000).n_tokens() == 512
    assert Pace(most=512, n_params=135_000_000).n_tokens() in range(LEAST, 100)
    assert Pace(most=512, n_params=70 * 10**9).n_tokens() == LEAST


def test_the_first_measure_counts_for_more_than_the_guess() -> None:
    assert learned(0.003, steps=1).n_tokens() == 50
    assert learned(0.0003, steps=1).n_tokens(1.0) == 512
    assert learned(0.01, steps=1).n_tokens(1.0) in (99, 100)


def test_one_slow_first_step_is_soon_forgotten() -> None:
    """The weights of a model just loaded come from the disk as they are first read."""
    pace = Pace(most=512, n_params=10**9)
    pace.learn(100, 0, 10.0)
    for _ in range(2):
        pace.learn(100, 0, 0.1)
    assert pace.n_tokens() == 150


def test_steps_that_were_mostly_answers_teach_nothing() -> None:
    pace = learned(0.003)
    before = pace.n_tokens()
    pace.learn(1, 8, 5.0)
    pace.learn(20, 30, 5.0)
    assert pace.n_tokens() == before
