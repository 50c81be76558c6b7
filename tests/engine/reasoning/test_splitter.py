"""Thinking and answer are told apart, in every family and however the text is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.reasoning.transcripts import TEMPLATES, TRANSCRIPTS, Transcript
from wiz_kernel_ext.engine.detokenizer import Detokenizer
from wiz_kernel_ext.engine.reasoning.families import family_of
from wiz_kernel_ext.engine.reasoning.parts import Splitter
from wiz_kernel_ext.engine.reasoning.splitter import splitter_of

OPENED = {"deepseek-r1", "nemotron", "exaone-deep", "ernie"}
"""Those whose prompt ends within the thinking."""
SHUT = {"deepseek-v3.1"}
"""Those whose prompt ends behind the thinking: their answers are not split."""
SPLIT = [one for one in TRANSCRIPTS if one.family not in SHUT]


def splitter(family: str) -> Splitter:
    found = family_of(TEMPLATES[family])
    assert found is not None
    return splitter_of(found, is_open=family in OPENED)


def split(splitter: Splitter, texts: list[str]) -> tuple[str, str]:
    """The thinking and the answer in `texts`, which come one after another."""
    parts = [part for text in texts for part in splitter.push(text)] + splitter.flush()
    assert all(text for _, text in parts)
    thinking = "".join(text for is_thinking, text in parts if is_thinking)
    return thinking, "".join(text for is_thinking, text in parts if not is_thinking)


def cut(text: str, places: list[int]) -> list[str]:
    ends = sorted({place % (len(text) + 1) for place in places} | {len(text)})
    return [text[a:b] for a, b in zip([0, *ends], ends, strict=False)]


@pytest.mark.parametrize("one", SPLIT, ids=lambda one: f"{one.family}: {one.raw[:30]!r}")
def test_a_transcript_is_told_apart_whole_and_a_letter_at_a_time(one: Transcript) -> None:
    expected = (one.thinking, one.answer)
    assert split(splitter(one.family), [one.raw]) == expected
    assert split(splitter(one.family), list(one.raw)) == expected


@pytest.mark.parametrize("one", SPLIT, ids=lambda one: f"{one.family}: {one.raw[:30]!r}")
def test_a_transcript_is_told_apart_wherever_its_bytes_are_cut(one: Transcript) -> None:
    data = one.raw.encode()
    for at in range(len(data) + 1):
        detokenizer = Detokenizer()
        texts = [detokenizer.decode(data[:at]), detokenizer.decode(data[at:])]
        assert split(splitter(one.family), texts) == (one.thinking, one.answer)


@given(st.sampled_from(SPLIT), st.lists(st.integers(0, 300), max_size=12))
def test_a_transcript_is_told_apart_in_any_pieces(one: Transcript, places: list[int]) -> None:
    assert split(splitter(one.family), cut(one.raw, places)) == (one.thinking, one.answer)


WORDS = st.lists(
    st.sampled_from(
        [
            *"<think> </think> <answer> </answer> ` \" ' ``` a „ “ </ < é 🦉 "
            "<|channel|> analysis final <|message|> <|end|> <|start|> assistant".split(),
            "\n",
            " ",
        ]
    ),
    max_size=14,
)


@given(
    st.sampled_from(sorted(TEMPLATES)),
    WORDS.map("".join),
    st.lists(st.integers(0, 200), max_size=8),
)
def test_any_text_is_told_apart_alike_whole_and_in_pieces(
    family: str, text: str, places: list[int]
) -> None:
    assert split(splitter(family), [text]) == split(splitter(family), cut(text, places))


@given(st.sampled_from(sorted(TEMPLATES)), st.text(max_size=30))
def test_what_has_no_mark_in_it_is_left_as_it_is(family: str, text: str) -> None:
    splits = splitter_of(family_of(TEMPLATES[family]), is_open=False)  # type: ignore[arg-type]
    assert split(splits, [text]) == ("", text)


def test_only_what_may_begin_a_mark_is_held_back() -> None:
    splits = splitter("qwen3")
    assert splits.push("<think>Let me") == [(True, "Let me")]
    assert splits.push(" see </") == [(True, " see")]
    assert splits.push("b>") == [(True, " </b>")]
    assert splits.push("</think>") == []
    assert not splits.is_thinking
    assert splits.push("\n\nIt is") == [(False, "It is")]
    assert splits.push(" </think>") == [(False, " </think>")]


def test_an_answer_that_never_came_is_known() -> None:
    for family in TEMPLATES:
        splits = splitter_of(family_of(TEMPLATES[family]), is_open=True)  # type: ignore[arg-type]
        assert splits.is_thinking
        split(splits, ["On and on"])
        assert not splits.has_answer


@pytest.mark.parametrize("template", sorted(TEMPLATES))
def test_what_shuts_the_thinking_of_a_family_does(template: str) -> None:
    family = family_of(TEMPLATES[template])
    assert family is not None
    for thought in ("So", 'So "', "So `a", "So \n", "So </"):
        splits = splitter_of(family, is_open=True)
        splits.push(thought)
        splits.push(family.shut)
        assert not splits.is_thinking
        assert splits.has_answer
        assert splits.push('"Yes."') + splits.flush() == [(False, '"Yes."')]
