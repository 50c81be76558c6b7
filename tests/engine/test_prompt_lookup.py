"""What is guessed from a text, and how likely that is called."""

from __future__ import annotations

import time

import pytest

from wiz_kernel_ext.engine.drafting import Wanted
from wiz_kernel_ext.engine.prompt_lookup import PromptLookup


def guess(lookup: PromptLookup, tokens: list[int], most: int) -> list[int]:
    if not lookup.chance(1, tokens):
        return []
    return lookup.propose([Wanted(1, tokens, most)])[0]


@pytest.mark.parametrize(
    ("tokens", "most", "guessed"),
    [
        ([1, 2, 3, 4, 5, 6, 7, 1, 2, 3], 4, [4, 5, 6, 7]),
        ([1, 2, 3, 4, 5, 6, 7, 1, 2, 3], 2, [4, 5]),
        ([1, 2, 3, 9, 1, 2, 3, 8, 1, 2, 3], 1, [8]),
        ([0, 1, 2, 3, 9, 1, 2, 3, 8, 0, 1, 2, 3], 1, [9]),
        ([7, 7, 7, 7], 4, [7, 7, 7, 7]),
        ([1, 2, 1, 2, 1], 4, [2, 1, 2, 1]),
        ([1, 2, 3, 4, 5], 4, []),
        ([1, 2], 4, []),
        ([1], 4, []),
    ],
)
def test_what_came_after_the_longest_place_alike_is_guessed_and_the_latest_of_those(
    tokens: list[int], most: int, guessed: list[int]
) -> None:
    assert guess(PromptLookup(), tokens, most) == guessed


def test_tokens_that_come_later_are_found_too() -> None:
    lookup, tokens = PromptLookup(), [1, 2, 3, 4]
    assert guess(lookup, tokens, 4) == []
    for token in (9, 1, 2, 3):
        tokens.append(token)
        last = guess(lookup, tokens, 4)
    assert last == [4, 9, 1, 2]
    tokens += range(10, 2000)
    tokens += [9, 1, 2]
    assert guess(lookup, tokens, 2) == [3, 10]


def test_more_that_is_alike_is_likelier_to_go_on_alike() -> None:
    text = list(range(100))
    chances = [PromptLookup().chance(1, text + text[:n]) for n in (2, 3, 8, 20, 40)]
    assert chances[0] == 0
    assert chances == sorted(chances)
    assert chances[-1] >= 0.9


def test_each_length_learns_for_itself_and_an_answer_begins_as_others_went() -> None:
    lookup, text = PromptLookup(), list(range(100))
    short, long = text + text[:3], text + text[:20]
    before = lookup.chance(2, long)
    for _ in range(20):
        lookup.chance(1, short)
        lookup.learn(1, 4, 0)
    assert lookup.chance(1, [*short, 3]) < 0.2
    assert lookup.chance(1, long) == pytest.approx(before, abs=0.01)
    lookup.forget(1)
    assert lookup.chance(1, short) < 0.2
    for n in range(len(long), 4000):
        lookup.chance(3, range(n))
    assert lookup.chance(4, short) > 0.3


def test_looking_costs_little_with_long_prompts() -> None:
    lookup, tokens = PromptLookup(), [n * n % 4096 for n in range(8192)]
    lookup.chance(1, tokens)
    took = []
    for n in range(200):
        tokens.append(n % 97)
        began = time.perf_counter()
        lookup.chance(1, tokens)
        took.append(time.perf_counter() - began)
    assert sorted(took)[100] < 0.0005
