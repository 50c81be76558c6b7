"""Answers of a given shape do not run away in digits, exponents or the same again and again."""

from __future__ import annotations

import pytest

from tests.engine.fake_backend import END, USER, FakeModel
from wiz_kernel_ext.engine.constraints.guard import (
    MOST_DIGITS,
    REPETITIONS,
    CallGuard,
    Guard,
    is_loop,
)
from wiz_kernel_ext.engine.constraints.vocabulary import Vocabulary, bits_of

VOCABULARY = Vocabulary(FakeModel())
EVERYTHING = range(VOCABULARY.n_tokens)


def allowed(
    text: str, mask: bytes | None = None, *, is_json: bool = True, is_whole: bool = False
) -> str:
    """What may follow `text`, of `mask`'s letters or of all."""
    guard = Guard(VOCABULARY, is_json=is_json)
    for token in text.encode():
        guard.push(token)
    bits = bits_of(EVERYTHING if mask is None else mask, VOCABULARY.n_tokens)
    guard.narrow(bits, is_whole=is_whole)
    left = [t for t in EVERYTHING if bits[t >> 5] >> (t & 31) & 1]
    return "".join("END" if t == END else chr(t) for t in left if t < 128 or t == END)


@pytest.mark.parametrize(
    ("text", "is_kept"),
    [
        ("1" * (MOST_DIGITS - 1), True),
        ("1" * MOST_DIGITS, False),
        ("0." + "3" * MOST_DIGITS, False),
        ("1" * 20 + "." + "1" * 20, True),
        ("1e9", True),
        ("1e99", False),
        ("1E-99", False),
        ('"value1e', True),
        ('"value123', True),
        ('"1e123', True),
        ('"a\\"1e123', True),
        ('"a", 1e12', False),
    ],
)
def test_digits_come_to_an_end(text: str, is_kept: bool) -> None:
    assert ("7" in allowed(text)) is is_kept


def test_digits_that_are_demanded_go_on() -> None:
    assert allowed("1" * 100, b"0123456789") == "0123456789"
    assert allowed("1" * 100, b"0123456789", is_whole=True) == "END"


@pytest.mark.parametrize(
    ("unit", "n", "loops"),
    [
        ("ab", REPETITIONS, False),
        ("ab", 3 * REPETITIONS, True),
        ("a", 20, False),
        ("a", 40, True),
        ("".join(map(chr, range(40, 90))), REPETITIONS + 1, True),
        ("".join(map(chr, range(40, 90))), REPETITIONS - 1, False),
    ],
)
def test_a_loop_is_the_same_many_times_over(unit: str, n: int, loops: bool) -> None:
    assert is_loop(list(("so: " + unit * n).encode())) is loops


def test_what_changes_is_no_loop() -> None:
    assert not is_loop(list(",".join(str(n) for n in range(500)).encode()))


def test_a_loop_in_a_list_is_closed() -> None:
    loop = '["a"' + ', "a"' * 30
    assert allowed(loop, b',]"x') == "]"
    assert allowed(loop + ', "', b'"abc') == '"abc'  # no empty string for want of another
    assert allowed(loop + ', "a', b'"abc') == '"'


def test_a_loop_of_plain_text_may_end_where_it_is_whole() -> None:
    loop = "na " * 40
    assert allowed(loop, b"na", is_json=False) == "an"


def call_guard(mark: str, *, anywhere: bool, before: bool = False) -> CallGuard:
    return CallGuard(
        Guard(VOCABULARY) if before else None,
        Guard(VOCABULARY, is_json=True),
        mark,
        {USER: b"<user>"},
        anywhere=anywhere,
    )


def may_go_on(guard: CallGuard, tokens: list[int]) -> bool:
    """Whether one more digit may follow `tokens`."""
    for token in tokens:
        guard.push(token)
    bits = bits_of(EVERYTHING, VOCABULARY.n_tokens)
    guard.narrow(bits, is_whole=False)
    return bool(bits[ord("7") >> 5] >> (ord("7") & 31) & 1)


DIGITS = [*b"1" * MOST_DIGITS]


@pytest.mark.parametrize(
    ("mark", "anywhere", "before", "tokens", "is_kept"),
    [
        ("<call>", True, False, DIGITS, True),
        ("<call>", True, True, DIGITS, False),
        ("<call>", True, False, [*b"so <call>", *DIGITS], False),
        ("<call>", False, False, [*b"<call>", *DIGITS], False),
        ("<call>", False, False, [*b"so <call>", *DIGITS], True),
        ("<user>", True, False, [*b"so ", USER, *DIGITS], False),
        ('{"a": "', False, False, [*b'{"a": "1e', *DIGITS[:9]], True),
        ('{"a": ', False, False, [*b'{"a": 1e', *DIGITS[:9]], False),
    ],
)
def test_free_text_is_free_until_a_call_begins(
    mark: str, anywhere: bool, before: bool, tokens: list[int], is_kept: bool
) -> None:
    guard = call_guard(mark, anywhere=anywhere, before=before)
    assert may_go_on(guard, tokens) is is_kept
    assert may_go_on(guard.copy(), [])


def test_a_call_that_says_the_same_again_and_again_is_looping_and_text_is_not() -> None:
    guard = call_guard("<call>", anywhere=True)
    assert may_go_on(guard, [*b"ab" * 50])
    assert not guard.is_looping
    assert may_go_on(guard, [*b'<call>"', *b"ab" * 50]) is False
    assert guard.is_looping
