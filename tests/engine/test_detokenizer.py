"""Text grows by whole characters, and shows nothing of a stop string."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wiz_kernel_ext.engine.detokenizer import Detokenizer


def cut(data: bytes, at: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(i, len(data)) for i in at), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


def run(pieces: list[bytes], stop: list[str] | None = None) -> tuple[list[str], bool]:
    detokenizer = Detokenizer(stop or ())
    parts = [detokenizer.push(piece) for piece in pieces]
    return [*parts, detokenizer.flush()], detokenizer.stopped


@given(st.text(), st.lists(st.integers(0, 200)))
def test_any_text_cut_anywhere_comes_out_whole_and_without_half_characters(
    text: str, at: list[int]
) -> None:
    parts, stopped = run(cut(text.encode(), at))
    assert "".join(parts) == text
    assert not stopped
    assert "\ufffd" not in "".join(parts).replace("\ufffd", "", text.count("\ufffd"))


@given(st.binary(), st.lists(st.integers(0, 50)))
def test_bytes_that_are_no_text_never_fail(data: bytes, at: list[int]) -> None:
    run(cut(data, at), ["x"])


@given(
    st.text(alphabet="abé🙂"),
    st.lists(st.text(alphabet="abé🙂", min_size=1, max_size=4), min_size=1, max_size=3),
    st.lists(st.integers(0, 60)),
)
@example("aa🙂a", ["🙂", "a🙂a"], [6])
@example("aa🙂a", ["🙂", "a🙂a"], [])
def test_what_is_shown_is_exactly_what_stands_before_the_first_stop(
    text: str, stop: list[str], at: list[int]
) -> None:
    parts, stopped = run(cut(text.encode(), at), stop)
    found = [(i + len(s), i) for s in stop if (i := text.find(s)) >= 0]
    assert stopped == bool(found)
    shown = "".join(parts)
    assert not any(s in shown for s in stop)
    first = min(found)[1] if found else len(text)
    assert shown == text[:first]


@given(st.text(alphabet="ab"), st.text(alphabet="ab", min_size=1, max_size=4))
def test_character_by_character_a_single_stop_cuts_at_its_first_place(text: str, stop: str) -> None:
    parts, _ = run([c.encode() for c in text], [stop])
    assert "".join(parts) == text.partition(stop)[0]


@pytest.mark.parametrize(
    ("pieces", "stop", "parts", "stopped"),
    [
        (["Hel", "lo"], [], ["Hel", "lo", ""], False),
        (["a<", "end", ">b"], ["<end>"], ["a", "", "", ""], True),
        (["a<", "enx", ">b"], ["<end>"], ["a", "<enx", ">b", ""], False),
        (["a<en"], ["<end>"], ["a", "<en"], False),
        (["one\n\ntwo"], ["\n\n"], ["one", ""], True),
        (["x<end>y", "z"], ["<end>"], ["x", "", ""], True),
        (["ab", "c"], ["", "c"], ["ab", "", ""], True),
    ],
)
def test_text_that_may_be_a_stop_is_held_back_until_it_is_sure(
    pieces: list[str], stop: list[str], parts: list[str], stopped: bool
) -> None:
    assert run([piece.encode() for piece in pieces], stop) == (parts, stopped)


def test_half_a_character_waits_and_is_left_out_at_the_end() -> None:
    detokenizer = Detokenizer()
    euro = "€".encode()
    assert detokenizer.push(euro[:2]) == ""
    assert detokenizer.push(euro[2:]) == "€"
    assert detokenizer.push(euro[:1]) == ""
    assert detokenizer.flush() == ""


def test_one_space_before_the_first_word_goes_where_the_vocabulary_puts_it() -> None:
    detokenizer = Detokenizer(strip_space=True)
    assert detokenizer.push(b"") == ""
    assert detokenizer.push(b" Hello") == "Hello"
    assert detokenizer.push(b" you") == " you"


def test_what_stands_before_the_answer_already_is_left_out_by_its_bytes() -> None:
    detokenizer = Detokenizer(n_begun=3)
    assert detokenizer.push(b"Fr") == ""
    assert detokenizer.push(b"a\xc3") == ""
    assert detokenizer.push(b"\xa9 b") == "\u00e9 b"
