"""A text that ends within a word goes on in the answer's first token."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.fake_backend import FakeModel, answer_of
from tests.engine.test_engine import Prompted, Rig
from wiz_kernel_ext.engine.healing import Healing, heal
from wiz_kernel_ext.engine.sequence import Listener
from wiz_kernel_ext.protocol.options import PromptOptions


class Words(FakeModel):
    """Letters, and some words as tokens of their own: those control tokens are not used."""

    def piece(self, token: int) -> bytes:
        return {1: b"France", 2: b"Fran", 3: b"\xa9t"}.get(token) or super().piece(token)


def allowed(healing: Healing | None) -> list[int]:
    assert healing is not None
    bits = np.unpackbits(healing.mask().view(np.uint8), bitorder="little")
    return [int(token) for token in np.flatnonzero(bits)]


def test_the_last_token_is_taken_back_where_it_may_be_the_beginning_of_another() -> None:
    tokens, n_begun, healing = heal(Words(), [ord("x"), 2], "in Fran")
    assert (tokens, n_begun, allowed(healing)) == ([ord("x")], 4, [1, 2])


def test_a_part_of_a_letter_is_taken_back_by_its_bytes() -> None:
    tokens, n_begun, healing = heal(Words(), [0xC3, 0xA9], "\u00e9")
    assert (tokens, n_begun, allowed(healing)) == ([0xC3], 1, [3, 0xA9])


def test_what_nothing_goes_on_from_and_what_is_not_the_texts_alone_stays() -> None:
    for tokens, text in (([5, 1], "France"), ([5, 2], "ran"), ([2], "Fran"), ([5, 257], "x")):
        assert heal(Words(), list(tokens), text) == (list(tokens), 0, None)


def test_it_asks_something_of_the_first_token_alone_and_of_each_answer_anew() -> None:
    _, _, healing = heal(Words(), [ord("x"), 2], "Fran")
    assert healing is not None
    again = healing.copy()
    assert healing.take(1) == []
    assert (healing.is_done, again.is_done) == (True, False)
    assert (healing.is_whole, healing.is_over, healing.is_looping) == (True, False, False)


@given(st.text("abc", min_size=2, max_size=20))
def test_an_answer_goes_on_with_its_text_and_has_its_beginning_once(text: str) -> None:
    rig = Rig(model=Words())
    prompted = Prompted()
    listener = Listener(on_event=prompted.events.append, on_end=prompted.ends.append)
    tokens, last = list(text.encode()), ord(text[-1])
    mask = np.zeros(9, np.uint32)
    mask[last >> 5] = 1 << (last & 31)
    rig.engine.submit(
        tokens[:-1], PromptOptions(max_tokens=11), listener, constraint=Healing(mask), n_begun=1
    )
    rig.run()
    assert prompted.info.text == prompted.deltas == answer_of(tokens, 10)
    assert not prompted.info.incomplete
