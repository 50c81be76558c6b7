"""The exact lane: what is computed for a prompt depends on that prompt alone."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.engine.fake_backend import FakeContext, answer_of
from tests.engine.test_engine import Prompted, Rig
from wiz_kernel_ext.engine.exact import piece_size
from wiz_kernel_ext.errors import InternalError

SIZE = piece_size(10**9)
"""Of the fake model."""
LONG = "".join(chr(97 + n * 7 % 26) for n in range(3 * SIZE + 5))

Step = tuple[int, int, int]
"""First position, tokens, rows asked for."""


def steps(context: FakeContext) -> list[Step]:
    return [(b.positions[0], len(b), len(b.outputs)) for b in context.batches]


def alone(text: str, n_most: int = 10) -> list[Step]:
    rig = Rig()
    rig.prompt(text, n_most, reproducible=True)
    rig.run()
    return steps(rig.exact[0])


def test_an_exact_answer_is_the_right_one_and_the_shared_context_is_left_alone() -> None:
    rig = Rig()
    prompted = rig.prompt("hello", 20, reproducible=True)
    rig.run()
    assert prompted.info.text == prompted.deltas == answer_of(b"hello", 20)
    assert not rig.context.batches
    assert rig.exact[0].n_samplers == 0


def test_there_is_no_second_context_before_somebody_asks() -> None:
    rig = Rig()
    rig.prompt("hello")
    rig.run()
    assert not rig.exact


def test_a_prompt_is_read_in_pieces_that_end_at_the_same_places() -> None:
    assert alone(LONG, 3) == [
        (0, SIZE, 0),
        (SIZE, SIZE, 0),
        (2 * SIZE, SIZE, 0),
        (3 * SIZE, 5, 1),
        (3 * SIZE + 5, 1, 1),
        (3 * SIZE + 6, 1, 1),
    ]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, len(LONG)), st.text("ab", max_size=5), st.booleans())),
    st.integers(0, 3),
)
def test_company_and_what_came_before_change_no_step(
    before: list[tuple[int, str, bool]], n_idle: int
) -> None:
    rig = Rig(context_size=300)
    for n, more, is_exact in before[:6]:
        rig.prompt((LONG[:n] + more) or "x", 8, reproducible=is_exact)
    rig.run(n_idle)
    prompted = rig.prompt(LONG, 10, reproducible=True)
    rig.run()
    assert prompted.info.text == answer_of(LONG.encode(), 10)
    n_cached = prompted.info.usage.n_cached_tokens
    assert n_cached % SIZE == 0
    expected = [step for step in alone(LONG) if step[0] >= n_cached]
    assert steps(rig.exact[0])[-len(expected) :] == expected


def test_whole_pieces_are_kept_for_the_next_turn_and_nothing_else() -> None:
    rig = Rig()
    first = rig.prompt(LONG, 10, reproducible=True)
    rig.run()
    again = rig.prompt(LONG + first.info.text + "b" * SIZE, 10, reproducible=True)
    rig.run()
    assert again.info.usage.n_cached_tokens == 3 * SIZE
    other = rig.prompt("b" + LONG, 10, reproducible=True)
    rig.run()
    assert other.info.usage.n_cached_tokens == 0


def test_exact_prompts_take_turns_with_the_others_steps() -> None:
    rig = Rig()
    exact = rig.prompt(LONG, 20, reproducible=True)
    free = rig.prompt("hello", 20)
    rig.run(12)
    assert free.sequence.n_generated > 5
    assert exact.sequence.n_generated > 5


def test_exact_prompts_come_one_after_the_other() -> None:
    rig = Rig()
    prompts = [rig.prompt(f"hello {n}", 10, reproducible=True) for n in range(3)]
    rig.run(3)
    assert [p.sequence.n_generated > 0 for p in prompts] == [True, False, False]
    rig.run()
    texts = [p.info.text for p in prompts]
    assert texts == [answer_of(f"hello {n}".encode(), 10) for n in range(3)]


def test_an_exact_answer_may_have_a_shape() -> None:
    rig = Rig()
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    prompted = rig.prompt("hello", 100, reproducible=True, schema=schema)
    rig.run()
    assert list(json.loads(prompted.info.text)) == ["n"]


def test_exact_prompts_are_cancelled_waiting_and_running() -> None:
    rig = Rig()
    running, waiting = (rig.prompt(f"hello {n}", 50, reproducible=True) for n in range(2))
    rig.run(5)
    for prompted in (running, waiting):
        rig.engine.cancel(prompted.sequence)
    assert (running.info.finish_reason, waiting.info.finish_reason) == ("cancelled", "cancelled")
    assert running.info.text == answer_of(b"hello 0", 50)[: len(running.info.text)]
    assert not rig.engine.is_busy
    assert rig.exact[0].n_samplers == 0


def test_a_step_that_was_broken_off_is_made_again() -> None:
    rig = Rig()
    prompted = rig.prompt(LONG, 10, reproducible=True)
    rig.run(2)
    rig.engine.abort()
    rig.run()
    assert prompted.info.text == answer_of(LONG.encode(), 10)


def failed(prompted: Prompted) -> bool:
    return isinstance(prompted.ends[0], InternalError)


def test_a_step_that_fails_ends_its_prompt_and_the_next_one_is_right() -> None:
    rig = Rig()
    first, second = (rig.prompt(LONG, 10, reproducible=True) for _ in range(2))
    rig.run(2)
    rig.exact[0].fail_next = True
    rig.run()
    assert failed(first)
    assert second.info.text == answer_of(LONG.encode(), 10)
    assert second.info.usage.n_cached_tokens == 0


def test_closing_ends_exact_prompts_with_what_there_is() -> None:
    rig = Rig()
    prompted = rig.prompt("hello", 50, reproducible=True)
    rig.run(5)
    rig.engine.close()
    assert prompted.info.finish_reason == "interrupted"
    assert prompted.info.text


def test_whatever_fails_in_the_engine_ends_exact_prompts_too() -> None:
    rig = Rig()
    prompted = rig.prompt("hello", 50, reproducible=True)
    rig.run(2)
    rig.engine.fail(InternalError("as asked"))
    assert failed(prompted)
    assert not rig.engine.is_busy


@pytest.mark.parametrize(
    ("n_params", "size"), [(10**6, 256), (10**8, 256), (10**9, 32), (8 * 10**9, 8), (10**12, 8)]
)
def test_larger_models_read_smaller_pieces(n_params: int, size: int) -> None:
    assert piece_size(n_params) == size
