"""Answers of a given shape in the engine of arithmetic: what is allowed, forced, cut and told."""

from __future__ import annotations

import json
import math
import re
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.fake_backend import FakeContext, answer_of, next_token
from tests.engine.test_engine import Prompted, Rig
from wiz_kernel_ext.engine.constraints.constraint import Constraint
from wiz_kernel_ext.engine.sequence import LOOPING
from wiz_kernel_ext.errors import ConstraintRefused
from wiz_kernel_ext.protocol.events import Notice

CITY = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 9}, "size": {"type": "integer"}},
    "required": ["city", "size"],
}


def asked(text: str = "hello", n_most: int = 200, **options: Any) -> Prompted:
    rig = Rig()
    prompted = rig.prompt(text, n_most, **options)
    rig.run()
    return prompted


def test_an_answer_of_a_schema_is_json_of_it_and_ends_there() -> None:
    info = asked(schema=CITY).info
    value = json.loads(info.text)
    assert set(value) == {"city", "size"}
    assert (info.finish_reason, info.incomplete) == ("stop", False)


def test_what_can_only_follow_is_read_and_not_picked() -> None:
    rig = Rig()
    prompted = rig.prompt("hello", 200, schema=CITY)
    rig.run()
    info = prompted.info
    forced = len('{"city": "') + len('", "size": ') - 2
    assert info.usage.n_forced_tokens >= forced
    assert prompted.deltas == info.text
    n_computed = sum(len(batch) for batch in rig.context.batches)
    assert n_computed <= 5 + info.usage.n_tokens
    assert len(rig.context.batches) <= 1 + info.usage.n_tokens - info.usage.n_forced_tokens


@pytest.mark.parametrize(
    ("options", "pattern"),
    [
        ({"regex": "[a-c]{3}-[0-9]{2}"}, "[a-c]{3}-[0-9]{2}"),
        ({"choices": ["north", "northwest", "söuth", 'a "b"\n']}, '(north(west)?|söuth|a "b"\n)'),
        ({"grammar": 'root ::= ("x" | "y")+ "!"'}, "[xy]+!"),
    ],
)
@pytest.mark.parametrize("text", ["hello", "Which?", "and now"])
def test_an_answer_matches_all_of_what_it_was_to_be(
    text: str, options: dict[str, Any], pattern: str
) -> None:
    info = asked(text, **options).info
    assert re.fullmatch(pattern, info.text)
    assert not info.incomplete


def test_a_choice_that_goes_on_in_another_may_end_or_go_on() -> None:
    texts = {asked(f"prompt {n}", choices=["no", "nothing"]).info.text for n in range(40)}
    assert texts == {"no", "nothing"}


def test_an_answer_cut_before_it_is_whole_says_so() -> None:
    info = asked(n_most=14, schema=CITY).info
    assert (info.finish_reason, info.incomplete) == ("length", True)


def test_an_answer_cut_in_what_can_only_follow_says_so() -> None:
    info = asked(n_most=5, choices=["abcdefgh"]).info
    assert (info.text, info.finish_reason, info.incomplete) == ("abcde", "length", True)


def test_an_answer_cut_where_it_is_whole_is_whole() -> None:
    info = asked(n_most=3, regex="[a-z]+").info
    assert (info.finish_reason, info.incomplete, len(info.text)) == ("length", False, 3)


def test_a_stop_string_may_cut_an_answer_of_a_schema_and_that_is_said() -> None:
    info = asked(schema=CITY, stop=["size"]).info
    assert (info.text[-3:], info.finish_reason, info.incomplete) == (', "', "stop", True)


def test_answers_of_many_shapes_share_steps_with_free_ones() -> None:
    rig = Rig(slots=4)
    free = rig.prompt("hello", 30)
    shaped = [rig.prompt(f"hello {n}", 200, schema=CITY) for n in range(3)]
    rig.run()
    assert free.info.text == answer_of(b"hello", 30)
    assert all(set(json.loads(one.info.text)) == {"city", "size"} for one in shaped)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.text("ab", min_size=1, max_size=40), st.booleans(), st.booleans()),
        min_size=1,
        max_size=8,
    ),
    st.integers(60, 300),
)
def test_whatever_else_runs_and_however_little_room_there_is_shapes_hold(
    asked: list[tuple[str, bool, bool]], pool: int
) -> None:
    rig = Rig(pool=pool, context_size=60)
    prompts = [
        (rig.prompt(text, 40, lookup=guesses, **({"schema": CITY} if shaped else {})), shaped)
        for text, shaped, guesses in asked
    ]
    rig.run()
    for prompted, shaped in prompts:
        info = prompted.info
        assert prompted.deltas == info.text
        if shaped and not info.incomplete:
            assert set(json.loads(info.text)) == {"city", "size"}
        assert shaped or not info.incomplete


def test_a_grammar_too_complex_to_follow_ends_its_answer_alone() -> None:
    rig = Rig()
    free = rig.prompt("hello", 60)
    shaped = rig.prompt("hello", 200, regex="((a{2,100}){2,100}){20,100}")
    rig.run()
    (error,) = shaped.ends
    assert isinstance(error, ConstraintRefused)
    assert "too complex" in str(error)
    assert free.info.text == answer_of(b"hello", 60)


def test_masks_are_worked_out_beside_the_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []
    work_out = Constraint.work_out

    def noted(constraint: Constraint) -> None:
        if not constraint._is_known:
            threads.append(threading.current_thread().name)
        work_out(constraint)

    monkeypatch.setattr(Constraint, "work_out", noted)
    asked(schema=CITY)
    assert threads
    assert all(name.startswith("wiz-masks") for name in threads)


def test_who_asks_how_likely_the_tokens_were_is_told_of_every_one() -> None:
    info = asked(n_most=4, logprobs=2).info
    assert info.logprobs is not None
    assert "".join(one.text for one in info.logprobs) == info.text == answer_of(b"hello", 4)
    first = info.logprobs[0]
    assert first.token == next_token(b"hello")
    assert first.logprob == pytest.approx(math.log(0.9), abs=1e-5)
    assert first.top[0].token == first.token
    assert len(first.top) == 2


def test_likelihoods_are_the_models_own_also_where_a_shape_decides() -> None:
    info = asked(n_most=100, schema=CITY, logprobs=0).info
    assert info.logprobs is not None
    assert "".join(one.text for one in info.logprobs) == info.text
    assert info.usage.n_forced_tokens == 0
    assert info.logprobs[0].logprob < math.log(0.5)


class Looping(FakeContext):
    """Says the same item again and again, unless it may not."""

    def sample(self, sampler: Any, row: int) -> int:
        n_said = len(self._known[row]) - len("hello")
        allowed, wanted = self._allowed[row], b'"a", '[(n_said - 1) % 5] if n_said else ord("[")
        return wanted if wanted in allowed else next(t for t in b']"a' if t in allowed)


def test_a_loop_is_led_to_its_end_and_that_is_said() -> None:
    rig = Rig(make_context=Looping)
    schema = {"type": "array", "items": {"type": "string", "maxLength": 3}}
    prompted = rig.prompt("hello", 280, schema=schema)
    rig.run()
    info = prompted.info
    assert set(json.loads(info.text)) == {"a"}
    assert (info.finish_reason, info.incomplete) == ("stop", False)
    assert [e for e in prompted.events if isinstance(e, Notice)] == [Notice(text=LOOPING)]
    again = rig.prompt("hello", 280, schema=schema, allow_repeats=True)
    rig.run()
    assert again.info.finish_reason == "length"
