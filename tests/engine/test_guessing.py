"""Guesses of all kinds in the engine, on the backend of arithmetic: no text is ever changed."""

from __future__ import annotations

import random
from collections.abc import Sequence as Many
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.fake_backend import FakeContext, FakeModel, answer_of, next_token
from tests.engine.test_engine import SMALL, Prompted, Rig
from wiz_kernel_ext.engine import kv_memory
from wiz_kernel_ext.engine.draft_model import DraftModel
from wiz_kernel_ext.engine.drafting import Drafter, Wanted
from wiz_kernel_ext.errors import InternalError, WizError


class Chancy(Drafter):
    """Guesses right as often as `chance` says, whatever it says itself."""

    def __init__(self, chance: float, looks_back: int, seed: int) -> None:
        self._chance = chance
        self._looks_back = looks_back
        self._random = random.Random(seed)
        self.numbers: set[int] = set()

    def chance(self, number: int, tokens: Many[int]) -> float:
        self.numbers.add(number)
        return 0.9

    def propose(self, wanted: Many[Wanted]) -> list[list[int]]:
        return [self._guess(list(one.tokens), one.most) for one in wanted]

    def _guess(self, tokens: list[int], most: int) -> list[int]:
        n = len(tokens)
        for _ in range(self._random.randint(0, most)):
            right = next_token(tokens[-self._looks_back :])
            tokens.append(right if self._random.random() < self._chance else 98)
        return tokens[n:]

    def learn(self, number: int, n_drafted: int, n_kept: int) -> None:
        assert 0 <= n_kept <= n_drafted

    def forget(self, number: int) -> None:
        self.numbers.discard(number)


LONG = [
    text
    for text in map("text {}".format, range(300))
    if len(answer_of(text.encode(), 60)) == 60 == len(answer_of(text.encode(), 60, 3))
][:3]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text(alphabet="abc", min_size=1, max_size=25),
            st.integers(1, 40),
            st.integers(0, 4),
            st.sampled_from(["", "", "", "cancel", "abort", "fail", "break"]),
        ),
        min_size=1,
        max_size=10,
    ),
    st.integers(80, 200),
    st.integers(1, 4),
    st.sampled_from([0, 3]),
    st.sampled_from([0, 400, 10_000]),
    st.floats(0.0, 1.0),
    st.integers(0, 99),
)
def test_no_guesses_right_or_wrong_change_anyones_answer(
    prompts: list[tuple[str, int, int, str]],
    pool: int,
    slots: int,
    looks_back: int,
    parking: int,
    chance: float,
    seed: int,
) -> None:
    draft = Chancy(chance, looks_back, seed)
    with mock.patch.multiple(kv_memory, **SMALL):
        rig = Rig(
            pool=pool, slots=slots, context_size=80, batch=16, parking=parking, draft=draft,
        )  # fmt: skip
        rig.context.looks_back = looks_back
        asked: list[tuple[Prompted, str, int]] = []
        for n, (own, n_most, n_steps, what) in enumerate(prompts):
            text = chr(65 + n) + own
            prompted = rig.prompt(text, n_most, temperature=0, allow_repeats=True)
            asked.append((prompted, text, n_most))
            rig.run(n_steps)
            if what == "cancel":
                rig.engine.cancel(prompted.sequence)
            elif what == "abort":
                rig.engine.abort()
            elif what == "fail":
                rig.context.fail_next = True
            elif what == "break":
                rig.engine.fail(InternalError("as asked"))
        rig.run()
    for prompted, text, n_most in asked:
        (end,) = prompted.ends
        if isinstance(end, WizError):
            continue
        expected = answer_of(text.encode(), n_most, looks_back)
        if end.finish_reason == "cancelled":
            assert expected.startswith(end.text)
        else:
            assert end.text == expected
        assert prompted.deltas == end.text
        assert end.usage.n_accepted_tokens <= end.usage.n_drafted_tokens
    assert not draft.numbers
    memory = rig.engine._memory
    assert memory.n_free == pool - rig.context.n_used
    for held in rig.context.cells:
        n = len(rig.context.tokens_of(held))
        assert n == (memory._tree.length(held) if held in memory._tree else 0)


def drafting_rig(**options: Any) -> tuple[Rig, FakeContext]:
    """A rig with a draft model, and that one's context."""
    context = FakeContext(options.pop("draft_pool", 1000))
    context.looks_back = options.pop("looks_back", 3)
    draft = DraftModel(FakeModel(), context, sequence_ids=8, batch_size=32)
    rig = Rig(draft=draft, **options)
    rig.context.looks_back = 3
    return rig, context


def test_a_draft_model_that_says_the_same_saves_steps_for_several_at_once() -> None:
    steps = []
    for is_drafted in (True, False):
        rig, context = drafting_rig(context_size=900)
        rig.context.looks_back = 0
        context.looks_back = 0 if is_drafted else 1
        asked = [rig.prompt(text, 60, lookup=False) for text in LONG]
        rig.run()
        for prompted, text in zip(asked, LONG, strict=True):
            assert prompted.info.text == answer_of(text.encode(), 60)
        steps.append(len(rig.context.batches))
        assert max(len(set(batch.sequence_ids)) for batch in context.batches) == 3
    assert steps[0] * 1.8 < steps[1]


@pytest.mark.parametrize("what", ["decode", "room", "tokens"])
def test_a_draft_model_that_fails_costs_guesses_and_no_answer(what: str) -> None:
    rig, context = drafting_rig(context_size=900, draft_pool=12 if what == "room" else 1000)
    for _ in range(5):
        context.fail_next = what == "decode"
        prompted = rig.prompt("hello\x02" if what == "tokens" else "hello", 60)
        if what == "tokens":
            prompted.sequence.tokens[0] = 258
            rig.engine._draft._model.facts = mock.Mock(n_vocab=258)  # type: ignore[union-attr]
        rig.run()
        expected = answer_of(prompted.sequence.tokens[: prompted.sequence.n_prompt], 60, 3)
        assert prompted.info.text == expected


def test_a_draft_model_reads_long_prompts_in_parts_and_finds_them_again() -> None:
    rig, context = drafting_rig(context_size=900, batch=64)
    text = "".join(chr(97 + n * n % 23) for n in range(150))
    rig.prompt(text, 30, lookup=False)
    rig.run()
    assert max(len(batch) for batch in context.batches) <= 32
    before = sum(len(batch) for batch in context.batches)
    rig.prompt(text, 30, lookup=False)
    rig.run()
    assert sum(len(batch) for batch in context.batches) - before < 120


def test_an_abort_breaks_off_the_draft_model_too() -> None:
    rig, context = drafting_rig(context_size=900)
    prompted = rig.prompt("hello", 60, lookup=False)
    for _ in range(200):
        rig.engine.abort()
        rig.run(3)
    rig.run()
    assert prompted.info.text == answer_of(b"hello", 60, 3)
    assert context.n_used == 1000 - rig.engine._draft._memory.n_free  # type: ignore[union-attr]


def test_what_is_not_likely_is_not_guessed() -> None:
    rig, context = drafting_rig(context_size=900)
    with mock.patch.object(context, "likeliest", return_value=(97, 0.2)):
        prompted = rig.prompt("hello", 60, lookup=False)
        rig.run()
    assert prompted.info.usage.n_drafted_tokens == 0


def test_a_draft_model_is_asked_for_by_loading_it() -> None:
    rig = Rig(draft=Chancy(1.0, 0, 1))
    assert rig.prompt("a", temperature=0).sequence.drafters
    assert not Rig().prompt("a", temperature=0).sequence.drafters
