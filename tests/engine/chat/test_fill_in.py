"""A gap to fill, as each family's tokens have it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.engine.fake_backend import BOS, CONTROL, END, USER, FakeModel
from wiz_kernel_ext.engine.backend import FimTokens
from wiz_kernel_ext.engine.chat.fill_in import fill_in, is_usable
from wiz_kernel_ext.errors import NotSupported

PRE, SUF, MID = 300, 301, 302


def model(*, middle: int | None = MID, add_bos: bool = False) -> FakeModel:
    made = FakeModel(add_bos=add_bos)
    fim = FimTokens(prefix=PRE, suffix=SUF, middle=middle, ends=frozenset({PRE, SUF}))
    made.facts = replace(made.facts, fim=fim)
    return made


def test_prefix_suffix_and_middle_stand_behind_their_tokens() -> None:
    tokens, turns = fill_in(model(), "ab", "yz", "c")
    assert tokens == [PRE, *b"ab", SUF, *b"yz", MID, *b"c"]
    assert turns.tokens == {PRE, SUF}
    assert fill_in(model(add_bos=True), "", "")[0] == [BOS, PRE, SUF, MID]


def test_a_family_without_a_third_token_reads_the_suffix_first() -> None:
    assert fill_in(model(middle=None), "ab", "yz", "c")[0] == [SUF, *b"yz", PRE, *b"abc"]


def test_control_texts_in_code_are_text() -> None:
    tokens, _ = fill_in(model(), "<user>", "</s>")
    assert not set(tokens) & {USER, END, *CONTROL}


def test_a_model_without_such_tokens_is_refused_by_name() -> None:
    with pytest.raises(NotSupported, match=r"fake .*suffix") as caught:
        fill_in(FakeModel(), "a", "b")
    assert caught.value.details["field"] == "suffix"


def test_two_tokens_are_enough_for_mistrals_family_alone() -> None:
    assert is_usable("<|fim_prefix|>", "<|fim_suffix|>", has_middle=True)
    assert is_usable("[PREFIX]", "[SUFFIX]", has_middle=False)
    assert not is_usable("<|fim_prefix|>", "<|fim_suffix|>", has_middle=False)
    assert not is_usable("", "x", has_middle=True)
