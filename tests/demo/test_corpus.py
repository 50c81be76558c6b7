"""The corpus: reproducible, and its held-out half never trained on."""

from __future__ import annotations

import itertools
from types import ModuleType
from typing import Any

import pytest

from wiz_kernel_ext.demo import corpus
from wiz_kernel_ext.demo.cases import FURTHER, REQUIRED, cases
from wiz_kernel_ext.demo.corpus import (
    capitals,
    concepts,
    echo,
    greetings,
    how_to,
    identity,
    memory,
    numbers,
    records,
    stories,
    tool_wordings,
    unknown,
    words,
)
from wiz_kernel_ext.demo.corpus.writer import Voice, part

MODULES = [
    capitals,
    concepts,
    echo,
    how_to,
    memory,
    numbers,
    records,
    greetings,
    identity,
    tool_wordings,
    stories,
    unknown,
]


def wordings(value: Any) -> list[list[str]]:
    """Every per-language list of wordings found inside a module's constants."""
    if isinstance(value, dict) and set(value) == {"en", "pt"}:
        return [v for v in value.values() if isinstance(v, list)]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [found for item in value for found in wordings(item)]
    return []


def prompts(seed: int, count: int, *, held_out: bool) -> set[str]:
    author = corpus.Author(corpus.Writer(seed, held_out=held_out))
    turns = (turn for _ in range(count) for turn in author.dialogue().turns)
    return {turn.prompt for turn in turns if turn.role == "user"}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.split(".")[-1])
def test_no_wording_is_both_trained_and_held_out(module: ModuleType) -> None:
    found = [w for name, value in vars(module).items() if name.isupper() or name[0] == "_"
             for w in wordings(value)]  # fmt: skip
    for options in found:
        kept = {option.casefold() for option in part(options, True)}
        trained = {option.casefold() for option in part(options, False)}
        assert kept, options
        assert not kept & trained


@pytest.mark.parametrize("options", [words.NAMES, words.CITIES, words.WORDS, words.PHRASES])
def test_no_name_city_or_word_is_listed_twice(options: list[str]) -> None:
    assert len(options) == len(set(options))


def test_evaluation_prompts_do_not_occur_in_training_text() -> None:
    trained = prompts(1, 4000, held_out=False)
    asked = {case.prompt for case in cases(20) if case.role == "user"}
    assert len(asked & trained) <= len(asked) * 0.01  # "MATH" needs no wording: "3 + 4"


def test_the_same_seed_writes_the_same_corpus() -> None:
    one, two, other = (
        [corpus.Author(corpus.Writer(seed)).dialogue() for _ in range(1)] for seed in (5, 5, 6)
    )
    assert one == two
    assert one != other
    assert cases(5) == cases(5)


def test_every_skill_has_as_many_cases_as_asked_for() -> None:
    found = cases(7)
    for skill in REQUIRED | FURTHER:
        assert sum(case.skill == skill for case in found) == 7
    assert all(case.expected for case in found)


def test_tool_calls_use_a_tool_that_is_on_offer() -> None:
    for case in (case for case in cases(30) if case.skill.startswith("tool call")):
        offered = [tool["function"]["name"] for tool in case.tools]
        assert any(f'"name": "{name}"' in case.expected for name in offered)
        assert len(set(offered)) == len(offered)


def test_what_fails_is_written_more_often() -> None:
    def share(accuracy: dict[str, float]) -> float:
        author = corpus.Author(corpus.Writer(3))
        author.focus(accuracy)
        turns = [turn for _ in range(600) for turn in author.dialogue().turns]
        return sum(turn.skill == "sum" for turn in turns) / len(turns)

    others = dict.fromkeys(("echo", "json", "unknown", "capital", "how-to", "concept"), 1.0)
    assert share(others) > 1.4 * share({**others, "sum": 1.0})


@pytest.mark.parametrize(
    ("voice", "said"),
    [
        (Voice(), "What's the capital of France?"),
        (Voice(case="lower", bare=True), "whats the capital of France"),
        (Voice(case="upper"), "WHAT'S THE CAPITAL OF France?"),
        (Voice(lead="Please, ", tail=", please"), "Please, what's the capital of France, please"),
    ],
)
def test_a_voice_changes_the_wording_and_leaves_what_is_filled_in(voice: Voice, said: str) -> None:
    assert voice.say("What's the capital of {x}?", x="France") == said


def test_accents_can_be_left_out() -> None:
    assert Voice(accents=False).cased("Qual é a lição, João?") == "Qual e a licao, Joao?"


def test_sums_cover_every_pair_up_to_twenty() -> None:
    writer = corpus.Writer(0)
    pairs = {numbers.pair(writer) for _ in range(20_000)}
    assert pairs == set(itertools.product(range(21), repeat=2))
