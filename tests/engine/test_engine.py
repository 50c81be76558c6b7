"""The engine with a backend of arithmetic: every answer must be what its prompt alone gives."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.fake_backend import FakeClock, FakeContext, FakeModel, answer_of
from wiz_kernel_ext.engine import kv_memory
from wiz_kernel_ext.engine.backend import Model
from wiz_kernel_ext.engine.constraints.grammars import Grammars
from wiz_kernel_ext.engine.constraints.vocabulary import Vocabulary
from wiz_kernel_ext.engine.drafting import Drafter
from wiz_kernel_ext.engine.engine import Engine
from wiz_kernel_ext.engine.pace import ALONE_S
from wiz_kernel_ext.engine.sequence import Listener, Sequence
from wiz_kernel_ext.errors import BadRequest, ContextOverflow, InternalError, WizError
from wiz_kernel_ext.protocol.events import AnyEvent, Delta, Progress
from wiz_kernel_ext.protocol.options import PromptOptions
from wiz_kernel_ext.protocol.results import AnswerInfo


class Prompted:
    """A prompt in the engine, and what its listener heard."""

    def __init__(self) -> None:
        self.events: list[AnyEvent] = []
        self.ends: list[AnswerInfo | WizError] = []
        self.sequence: Sequence

    @property
    def info(self) -> AnswerInfo:
        (end,) = self.ends
        assert isinstance(end, AnswerInfo), end
        return end

    @property
    def deltas(self) -> str:
        return "".join(e.text for e in self.events if isinstance(e, Delta))


class Rig:
    """An engine on a fake context."""

    def __init__(
        self,
        pool: int = 1000,
        slots: int = 4,
        context_size: int = 300,
        batch: int = 64,
        parking: int = 0,
        draft: Drafter | None = None,
        n_in_the_way: int = kv_memory.N_IN_THE_WAY,
        make_context: type[FakeContext] = FakeContext,
        model: Model | None = None,
        **context: Any,
    ) -> None:
        self.model = model or FakeModel()
        self.grammars = Grammars(lambda: Vocabulary(self.model))
        self.clock = FakeClock()
        self.context = make_context(pool, clock=self.clock, **context)
        self.exact: list[FakeContext] = []
        self.context.step_s = 0.01  # so that guesses pay
        self.engine = Engine(
            self.model,
            self.context,
            context_size=context_size,
            slots=slots,
            sequence_ids=slots + 4,
            batch_size=batch,
            seed=None,
            clock=self.clock,
            parking_bytes=parking,
            draft=draft,
            n_in_the_way=n_in_the_way,
            make_exact=self._make_exact,
        )

    def _make_exact(self, piece_size: int) -> FakeContext:
        exact = FakeContext(self.engine._context_size, clock=self.clock)
        self.exact.append(exact)
        return exact

    def prompt(self, text: str, n_most: int = 10, **options: Any) -> Prompted:
        prompted = Prompted()
        listener = Listener(on_event=prompted.events.append, on_end=prompted.ends.append)
        asked = PromptOptions(max_tokens=n_most, **options)
        constraint = self.grammars.constraint(asked, ())
        prompted.sequence = self.engine.submit(
            list(text.encode()), asked, listener, constraint=constraint
        )
        return prompted

    def run(self, n_steps: int = 10_000) -> None:
        for _ in range(n_steps):
            if not self.engine.is_busy:
                break
            self.engine.step()
        if not self.engine.is_busy:
            assert self.context.n_samplers == 0


def test_an_answer_is_the_text_its_prompt_gives_and_ends_where_the_model_ends() -> None:
    rig = Rig()
    prompted = rig.prompt("hello", 200)
    rig.run()
    assert prompted.info.text == answer_of(b"hello", 200)
    assert prompted.info.finish_reason == "stop"
    assert prompted.deltas == prompted.info.text
    assert prompted.info.usage.n_prompt_tokens == 5
    assert prompted.info.usage.n_tokens == len(prompted.info.text)


def test_max_tokens_ends_it_with_length() -> None:
    rig = Rig()
    prompted = rig.prompt("hello", 3)
    rig.run()
    assert (prompted.info.text, prompted.info.finish_reason) == (answer_of(b"hello", 3), "length")


def test_the_end_of_the_context_ends_it_with_length() -> None:
    rig = Rig(context_size=20)
    prompted = rig.prompt("b" * 12, 100)
    rig.run()
    assert prompted.info.finish_reason == "length"
    assert prompted.info.usage.n_tokens == 8


def test_a_prompt_that_leaves_no_room_for_an_answer_is_refused_with_the_counts() -> None:
    rig = Rig(context_size=20)
    with pytest.raises(ContextOverflow, match="20 tokens") as caught:
        rig.prompt("a" * 20)
    assert caught.value.details == {"n_prompt_tokens": 20, "context_size": 20}
    assert not rig.engine.is_busy
    rig.prompt("a" * 19)


def test_an_empty_prompt_is_refused() -> None:
    with pytest.raises(BadRequest):
        Rig().prompt("")


def test_a_stop_string_ends_the_answer_before_it() -> None:
    text = answer_of(b"hello", 9)
    rig = Rig()
    prompted = rig.prompt("hello", 9, stop=[text[3:5]])
    rig.run()
    assert prompted.info.text == prompted.deltas == text[: text.find(text[3:5])]
    assert prompted.info.finish_reason == "stop"


def test_a_cancel_lands_at_the_next_step_and_keeps_the_text_so_far() -> None:
    rig = Rig()
    prompted, other = rig.prompt("hello", 9), rig.prompt("you", 9)
    rig.run(4)
    rig.engine.cancel(prompted.sequence)
    assert prompted.info.finish_reason == "cancelled"
    assert prompted.info.text == answer_of(b"hello", 4)
    rig.engine.cancel(prompted.sequence)
    rig.run()
    assert other.info.text == answer_of(b"you", 9)


def test_a_cancel_while_a_long_prompt_is_read_lands_after_one_chunk() -> None:
    rig = Rig(batch=32)
    prompted = rig.prompt("x" * 250)
    rig.run(2)
    rig.engine.cancel(prompted.sequence)
    rig.run()
    assert prompted.info.text == ""
    assert sum(len(batch) for batch in rig.context.batches) <= 64


def test_a_waiting_prompt_can_be_cancelled() -> None:
    rig = Rig(slots=1)
    first, second = rig.prompt("one"), rig.prompt("two")
    rig.run(1)
    rig.engine.cancel(second.sequence)
    assert second.info.finish_reason == "cancelled"
    rig.run()
    assert first.info.text == answer_of(b"one", 10)


def test_reading_a_long_prompt_tells_its_progress_up_to_the_end() -> None:
    rig = Rig(batch=32)
    prompted = rig.prompt("".join(chr(33 + n % 90) for n in range(200)))
    rig.run()
    progress = [(e.done, e.total) for e in prompted.events if isinstance(e, Progress)]
    assert progress[-1] == (200.0, 200.0)
    assert [done for done, _ in progress] == sorted({done for done, _ in progress})
    assert len(progress) > 2
    short = rig.prompt("short")
    rig.run()
    assert not [e for e in short.events if isinstance(e, Progress)]


def test_the_next_turn_computes_only_what_is_new() -> None:
    rig = Rig()
    first = rig.prompt("system and question", 200)
    rig.run()
    assert first.info.finish_reason == "stop"
    whole = "system and question" + first.info.text
    second = rig.prompt(whole + " and more", 8)
    rig.run()
    assert second.info.usage.n_cached_tokens == len(whole)
    assert second.info.text == answer_of((whole + " and more").encode(), 8)


def test_timings_follow_the_clock_and_add_up() -> None:
    rig = Rig(slots=1)
    rig.prompt("one", 5)
    prompted = rig.prompt("second", 5)
    rig.run()
    t = prompted.info.timings
    assert t.queued_s > 0
    assert t.first_token_s == pytest.approx(t.queued_s + t.prompt_s)
    assert t.total_s == pytest.approx(t.first_token_s + t.generation_s)


def test_steps_are_short_beside_an_answer_and_long_alone() -> None:
    rig = Rig(batch=512, context_size=900)
    rig.context.row_s = 0.005
    text = "".join(chr(33 + n % 90) for n in range(800))
    rig.prompt(text, 1)
    rig.run()
    alone = [len(batch) * 0.005 for batch in rig.context.batches]
    assert max(alone) <= 1.05 * ALONE_S
    assert len(alone) <= 6
    rig.context.batches.clear()
    rig.prompt("who is there", 60)
    rig.run(2)
    rig.prompt(text[::-1], 1)
    rig.run()
    assert max(len(batch) * 0.005 for batch in rig.context.batches) <= 0.2


def test_steps_are_short_where_a_step_cannot_be_broken_off() -> None:
    rig = Rig(batch=512, context_size=900, can_cut=False)
    rig.context.row_s = 0.005
    rig.prompt("".join(chr(33 + n % 90) for n in range(800)), 1)
    rig.run()
    assert max(len(batch) * 0.005 for batch in rig.context.batches[1:]) <= 0.2


@pytest.mark.parametrize("at", [0, 1, 2, 5])
def test_a_step_that_was_broken_off_is_made_again(at: int) -> None:
    rig = Rig(batch=32)
    prompted, other = rig.prompt("x" * 90, 9), rig.prompt("you", 9)
    rig.run(at)
    n_free = rig.engine._memory.n_free
    rig.engine.abort()
    rig.run(1)
    assert rig.engine._memory.n_free in (n_free, 1000)
    rig.run()
    assert prompted.info.text == answer_of(b"x" * 90, 9)
    assert other.info.text == answer_of(b"you", 9)


@pytest.mark.parametrize("where", ["decode", "sample", "copy", "cut"])
def test_whatever_fails_in_a_step_the_engine_knows_what_its_memory_holds(where: str) -> None:
    rig = Rig(slots=2)
    rig.prompt("a long beginning that others share: one")
    rig.run()
    one, two = (rig.prompt(f"a long beginning that others share: {n}") for n in "ab")
    with mock.patch.object(rig.context, where, side_effect=ZeroDivisionError):
        try:
            rig.run()
        except ZeroDivisionError:
            rig.engine.fail(InternalError("as asked"))
    for prompted in (one, two):
        assert len(prompted.ends) == 1
    assert not rig.engine.is_busy
    again = [rig.prompt(f"a long beginning that others share: {n}", 9) for n in "abc"]
    rig.run()
    for prompted, n in zip(again, "abc", strict=True):
        assert prompted.info.text == answer_of(
            f"a long beginning that others share: {n}".encode(), 9
        )
    assert rig.engine._memory.n_free == 1000 - rig.context.n_used
    assert rig.context.n_samplers == 0


def test_a_failed_step_ends_its_prompts_with_an_error_and_the_engine_goes_on() -> None:
    rig = Rig(slots=2)
    one, two, waiting = rig.prompt("one"), rig.prompt("two"), rig.prompt("three")
    rig.run(2)
    rig.context.fail_next = True
    rig.run()
    assert isinstance(one.ends[0], InternalError)
    assert isinstance(two.ends[0], InternalError)
    assert waiting.info.text == answer_of(b"three", 10)


def test_closing_ends_every_prompt_as_interrupted() -> None:
    rig = Rig(slots=1)
    running, waiting = rig.prompt("one"), rig.prompt("two")
    rig.run(2)
    rig.engine.close()
    assert running.info.finish_reason == waiting.info.finish_reason == "interrupted"
    assert running.info.text == answer_of(b"one", 2)
    assert not rig.engine.is_busy


@pytest.mark.parametrize("n_prompts", [1, 3])
def test_guesses_save_steps_where_an_answer_repeats_and_change_no_text(n_prompts: int) -> None:
    steps: dict[bool, int] = {}
    for lookup in (False, True):
        rig = Rig(context_size=900)
        rig.context.looks_back = 2
        texts = ["abad", "abbc", "abbf"][:n_prompts]  # their answers go round in circles
        asked = [rig.prompt(t, 200, lookup=lookup, allow_repeats=True) for t in texts]
        rig.run()
        for text, prompted in zip(texts, asked, strict=True):
            assert prompted.info.text == answer_of(text.encode(), 200, looks_back=2)
            usage = prompted.info.usage
            assert (usage.n_accepted_tokens > 0) == lookup
            assert usage.n_accepted_tokens <= usage.n_drafted_tokens
        steps[lookup] = len(rig.context.batches)
        assert rig.engine._memory.n_free == 1000 - rig.context.n_used
    assert steps[True] * 1.8 < steps[False]


def test_where_nothing_repeats_guesses_are_given_up() -> None:
    rows: dict[bool, int] = {}
    text = "".join(chr(97 + n * n % 7) for n in range(120))  # full of what came before
    for lookup in (False, True):
        rig = Rig(context_size=900)
        prompted = rig.prompt(text, 25, lookup=lookup)
        rig.run()
        assert prompted.info.text == answer_of(text.encode(), 25)
        rows[lookup] = sum(len(batch) for batch in rig.context.batches)
    assert rows[True] - rows[False] <= 25


@pytest.mark.parametrize("lookup", [None, True])
def test_where_a_row_costs_a_step_nothing_is_guessed(lookup: bool | None) -> None:
    rig = Rig(context_size=900)
    rig.context.looks_back, rig.context.step_s = 2, 0.0
    prompted = rig.prompt("abad", 200, lookup=lookup, allow_repeats=True)
    rig.run()
    usage = prompted.info.usage
    assert usage.n_accepted_tokens <= usage.n_drafted_tokens <= 60  # each size is tried, twice


@pytest.mark.parametrize(
    ("options", "is_guessed"),
    [
        ({}, True),
        ({"lookup": False}, False),
        ({"seed": 1}, False),
        ({"seed": 1, "lookup": True}, True),
        ({"temperature": 0}, False),
        ({"temperature": 0, "repeat_penalty": 1.5}, False),
        ({"temperature": 0, "lookup": True}, True),
    ],
    ids=repr,
)
def test_it_is_guessed_unless_a_text_is_promised_or_where_that_is_asked_for(
    options: dict[str, Any], is_guessed: bool
) -> None:
    rig = Rig(context_size=900)
    rig.context.looks_back = 2
    prompted = rig.prompt("abad", 100, allow_repeats=True, **options)
    rig.run()
    assert (prompted.info.usage.n_drafted_tokens > 0) == is_guessed


SMALL: dict[str, Any] = {"_WORTH_PARKING": 4, "_SMALL_LOSS": 4}
"""The cache's numbers, in proportion to prompts of this length."""

texts = st.builds(
    lambda shared, own: "shared beginning of it all "[:shared] + own,
    st.integers(0, 27),
    st.text(alphabet="abc", min_size=1, max_size=12),
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(texts, st.integers(1, 25), st.integers(0, 3), st.booleans()),
        min_size=1,
        max_size=12,
    ),
    st.integers(66, 160),
    st.integers(1, 4),
    st.booleans(),
    st.sampled_from([0, 400, 10_000]),
    st.sampled_from([None, 0, 2, 4]),
    st.sampled_from([20, 160]),
)
def test_no_mix_of_prompts_cancels_and_full_pools_changes_anyones_answer(
    prompts: list[tuple[str, int, int, bool]],
    pool: int,
    slots: int,
    can_cut: bool,
    parking: int,
    guessing: int | None,
    in_the_way: int,
) -> None:
    looks_back = guessing or 0
    with mock.patch.multiple(kv_memory, **SMALL):
        rig = Rig(
            pool=pool,
            slots=slots,
            context_size=66,
            batch=16,
            can_cut=can_cut,
            parking=parking,
            n_in_the_way=in_the_way,
        )
        rig.context.looks_back = looks_back
        asked = []
        for text, n_most, n_steps, is_cancelled in prompts:
            # As words repeat themselves, so that there is something to guess.
            text = text if guessing is None else (2 * text)[:40]
            prompted = rig.prompt(text, n_most, lookup=guessing is not None, allow_repeats=True)
            asked.append((prompted, text, n_most, is_cancelled))
            rig.run(n_steps)
            if is_cancelled and not prompted.ends:
                rig.engine.cancel(prompted.sequence)
        rig.run()
    for prompted, text, n_most, is_cancelled in asked:
        expected = answer_of(text.encode(), n_most, looks_back)
        if is_cancelled and prompted.info.finish_reason == "cancelled":
            assert expected.startswith(prompted.info.text)
        else:
            assert prompted.info.text == expected
        assert prompted.deltas == prompted.info.text
    memory = rig.engine._memory
    assert memory.n_free == pool - rig.context.n_used
