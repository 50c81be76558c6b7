"""Many tokens become few deltas."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wiz_kernel_ext.engine.coalescer import Coalescer
from wiz_kernel_ext.protocol.events import Delta, Thinking


def test_the_first_text_goes_out_at_once_and_the_next_in_the_next_interval() -> None:
    coalescer = Coalescer(Delta, 0.025)
    assert coalescer.add("a", 0.0) == Delta(text="a", n_tokens=1)
    assert coalescer.add("b", 0.010) is None
    assert coalescer.add("c", 0.024) is None
    assert coalescer.add("d", 0.026) == Delta(text="bcd", n_tokens=3)
    assert coalescer.add("e", 0.049) is None


def test_all_answers_keep_the_same_beat() -> None:
    coalescers = [Coalescer(Delta, 0.025) for _ in range(8)]
    sent_at: set[int] = set()
    for step in range(200):
        now = 3.0 + step * 0.003
        for number, coalescer in enumerate(coalescers):
            if step > number and coalescer.add("x", now) and step > 20:
                sent_at.add(step)
    assert len(sent_at) <= 200 * 0.003 / 0.025 + 1


def test_a_token_without_text_is_counted_with_the_next_that_has_some() -> None:
    coalescer = Coalescer(Delta, 0.025)
    assert coalescer.add("", 0.0) is None
    assert coalescer.add("é", 0.001) == Delta(text="é", n_tokens=2)


def test_the_end_flushes_what_waits_and_nothing_twice() -> None:
    coalescer = Coalescer(Delta, 0.025)
    coalescer.add("a", 0.0)
    coalescer.add("b", 0.001)
    assert coalescer.flush("!") == Delta(text="b!", n_tokens=1)
    assert coalescer.flush() is None


@given(st.lists(st.tuples(st.text(max_size=3), st.floats(0, 0.05))))
def test_deltas_together_are_the_text_and_all_its_tokens(steps: list[tuple[str, float]]) -> None:
    coalescer, now, deltas = Coalescer(Delta), 0.0, []
    for text, seconds in steps:
        now += seconds
        deltas.append(coalescer.add(text, now))
    deltas.append(coalescer.flush())
    sent = [delta for delta in deltas if delta]
    assert "".join(delta.text for delta in sent) == "".join(text for text, _ in steps)
    assert sum(delta.n_tokens for delta in sent) <= len(steps)


def test_what_was_thought_is_collected_as_thinking() -> None:
    coalescer = Coalescer(Thinking, 0.025)
    assert coalescer.add("a", 0.0) == Thinking(text="a", n_tokens=1)
    assert coalescer.add("b", 0.001) is None
    assert coalescer.flush() == Thinking(text="b", n_tokens=1)
