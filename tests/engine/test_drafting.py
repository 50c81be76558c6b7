"""What is guessed, how long, and when no more."""

from __future__ import annotations

import pytest

from wiz_kernel_ext.engine.drafting import MOST, PromptLookup


@pytest.mark.parametrize(
    ("tokens", "most", "guessed"),
    [
        ([1, 2, 3, 4, 5, 6, 7, 1, 2, 3], 8, [4, 5, 6, 7]),
        ([1, 2, 3, 4, 5, 6, 7, 1, 2, 3], 2, [4, 5]),
        ([1, 2, 3, 9, 1, 2, 3, 8, 1, 2, 3], 1, [8]),
        ([7, 7, 7, 7], 4, [7, 7, 7, 7]),
        ([1, 2, 1, 2, 1], 4, [2, 1, 2, 1]),
        ([1, 2, 3, 4, 5], 4, []),
        ([1, 2], 4, []),
        ([], 4, []),
    ],
)
def test_the_latest_that_came_after_the_same_three_is_guessed(
    tokens: list[int], most: int, guessed: list[int]
) -> None:
    assert PromptLookup().propose(tokens, most) == guessed


def test_tokens_that_come_later_are_found_too() -> None:
    lookup, tokens = PromptLookup(), [1, 2, 3, 4]
    assert lookup.propose(tokens, 4) == []
    for token in (9, 1, 2, 3):
        tokens.append(token)
        last = lookup.propose(tokens, 4)
    assert last == [4, 9, 1, 2]


def test_right_guesses_grow_and_wrong_ones_shrink_and_pause() -> None:
    lookup, tokens = PromptLookup(), [5, 5, 5, 5]
    for _ in range(3):
        lookup.learn(len(tokens), 4, 4)
    assert len(lookup.propose(tokens, 100)) == MOST
    n_wrong = 0
    while guessed := lookup.propose(tokens, 100):
        lookup.learn(len(tokens), len(guessed), 0)
        n_wrong += len(guessed)
        assert n_wrong < 40
    tokens += [5] * 40
    assert lookup.propose(tokens, 100)
