"""How likely a guess is, by what came of the last ones."""

from __future__ import annotations

from wiz_kernel_ext.engine.drafting import Chance


def test_what_was_seen_takes_the_place_of_what_was_assumed() -> None:
    chance = Chance(0.5)
    assert chance.value == 0.5
    chance.learn(8, 8)
    assert chance.value > 0.8
    for _ in range(10):
        chance.learn(8, 0)
    assert chance.value < 0.6


def test_what_came_after_the_first_wrong_one_says_nothing() -> None:
    one, eight = Chance(0.5), Chance(0.5)
    one.learn(1, 0)
    eight.learn(8, 0)
    assert one.value == eight.value < 0.5


def test_in_time_all_is_tried_again() -> None:
    chance = Chance(0.7)
    chance.learn(8, 0)
    low = chance.value
    for _ in range(200):
        chance.fade()
    assert low < 0.6 < 0.68 < chance.value
