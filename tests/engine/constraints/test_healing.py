"""A text that ends within a word goes on in the answer's first token."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.fake_backend import FakeModel, answer_of
from tests.engine.test_engine import Prompted, Rig
from wiz_kernel_ext.engine.constraints.healing import Healing, heal
from wiz_kernel_ext.engine.sequence import Listener
from wiz_kernel_ext.protocol.options import PromptOptions


class Words(FakeModel):
    """Letters, and some words as tokens of their own: those control tokens are not used."""

    def piece(self, token: int) -> bytes:
        words = {1: b"France", 2: b"Fran", 3: b"\xa9t", 4: b" capital", 5: b" cap"}
        return words.get(token) or super().piece(token)


X = ord("x")


def allowed(healing: Healing | None) -> list[int]:
    assert healing is not None
    bits = np.unpackbits(healing.mask().view(np.uint8), bitorder="little")
    return [int(token) for token in np.flatnonzero(bits)]


def test_the_last_token_is_taken_back_where_another_begins_with_it() -> None:
    tokens, n_begun, healing = heal(Words(), [X, 2], "Fran")
    assert (tokens, n_begun) == ([X], 4)
    assert allowed(healing) == [1, 2, ord("F")]


def test_a_token_stays_behind_an_image() -> None:
    assert heal(Words(), [X, -5, 2], "Fran") == ([X, -5, 2], 0, None)


def test_so_are_several_that_another_begins_with() -> None:
    tokens, n_begun, healing = heal(Words(), [X, *b" ca"], " ca")
    assert (tokens, n_begun) == ([X], 3)
    assert allowed(healing) == [4, 5, ord(" ")]
    assert healing is not None
    healing.take(ord(" "))
    assert allowed(healing) == [ord("c")]
    done = [healing.take(token) or healing.is_done for token in b"ca"]
    assert done == [False, True]
    again = heal(Words(), [X, *b" ca"], " ca")[2]
    assert again is not None
    again.take(4)
    assert again.is_done


def test_a_part_of_a_letter_is_taken_back_by_its_bytes() -> None:
    tokens, n_begun, healing = heal(Words(), [X, 0xC3, 0xA9], "\u00e9")
    assert (tokens, n_begun, allowed(healing)) == ([X, 0xC3], 1, [3, 0xA9])


def test_what_nothing_goes_on_from_and_what_is_not_the_texts_alone_stays() -> None:
    for tokens, text in (([X, 1], "France"), ([X, 2], "ran"), ([2], "Fran"), ([X, 257], "x")):
        assert heal(Words(), tokens, text) == (tokens, 0, None)


def test_each_answer_is_asked_anew_and_nothing_is_asked_of_its_rest() -> None:
    _, _, healing = heal(Words(), [X, 2], "Fran")
    assert healing is not None
    again = healing.copy()
    assert healing.take(1) == []
    assert (healing.is_done, again.is_done) == (True, False)
    assert (healing.is_whole, healing.is_over, healing.is_looping) == (True, False, False)


@given(st.text("abc", min_size=4, max_size=20), st.integers(1, 3))
def test_an_answer_goes_on_with_its_text_and_has_its_beginning_once(text: str, n: int) -> None:
    rig = Rig()
    prompted = Prompted()
    listener = Listener(on_event=prompted.events.append, on_end=prompted.ends.append)
    tokens = list(text.encode())
    pieces = [rig.model.piece(token) for token in range(rig.model.facts.n_vocab)]
    healing = Healing(bytes(tokens[-n:]), pieces)
    options = PromptOptions(max_tokens=10 + n)
    rig.engine.submit(tokens[:-n], options, listener, constraint=healing, n_begun=n)
    rig.run()
    assert prompted.info.text == prompted.deltas == answer_of(tokens, 10)
    assert not prompted.info.incomplete
