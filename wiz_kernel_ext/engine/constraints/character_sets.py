"""Sets of characters as ranges, and the classes of regular expressions as such sets.

Where engines differ in what a class means (ASCII or Unicode), these are what all of them agree on.
Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache

Ranges = list[tuple[int, int]]
"""First and last character of each range, in order, none touching the next."""

_LAST = 0x10FFFF
_BMP = 0xFFFF
_TEXT: Ranges = [(0x20, 0x7E), (0x80, 0xD7FF), (0xE000, _LAST)]
"""Characters that stand in a text as they are: no control characters, no halves of pairs."""
_BYTE_ORDER_MARK = 0xFEFF

DIGITS: Ranges = [(0x30, 0x39)]
WORD: Ranges = [(0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)]
SPACE: Ranges = [(0x09, 0x0D), (0x20, 0x20)]
LINE_ENDS: Ranges = [(0x0A, 0x0A), (0x0D, 0x0D), (0x2028, 0x2029)]


def united(sets: Iterable[Ranges]) -> Ranges:
    """What is in any of `sets`."""
    made: Ranges = []
    for first, last in sorted(one for ranges in sets for one in ranges):
        if made and first <= made[-1][1] + 1:
            made[-1] = made[-1][0], max(made[-1][1], last)
        else:
            made.append((first, last))
    return made


def common(one: Ranges, other: Ranges) -> Ranges:
    """What is in both."""
    both = ((max(a, c), min(b, d)) for a, b in one for c, d in other)
    return united([[(first, last) for first, last in both if first <= last]])


def all_but(ranges: Ranges) -> Ranges:
    """Every character of a text that is not in `ranges`."""
    made: Ranges = []
    start = 0
    for first, last in [*united([ranges]), (_LAST + 1, _LAST + 1)]:
        if start < first:
            made.append((start, first - 1))
        start = last + 1
    return common(made, _TEXT)


@cache
def no_digit() -> Ranges:
    """What is a digit to nobody."""
    return _where(lambda c: not (c.isdigit() or c.isdecimal()))


@cache
def no_word() -> Ranges:
    """What is part of a word to nobody."""
    return _where(lambda c: not (c.isalnum() or c == "_"))


@cache
def no_space() -> Ranges:
    """What is white space to nobody."""
    astral = [(_BMP + 1, _LAST)]
    return united([_where(lambda c: not c.isspace() and ord(c) != _BYTE_ORDER_MARK), astral])


def _where(holds: Callable[[str], bool]) -> Ranges:
    found = [(n, n) for n in range(0x20, _BMP + 1) if holds(chr(n))]
    return common(united([found]), _TEXT)


def written(ranges: Ranges) -> str:
    """A class of a regular expression; raises ValueError where nothing is in it."""
    if not ranges:
        raise ValueError("a class in it has no characters")
    return f"[{inside(ranges)}]"


def inside(ranges: Ranges) -> str:
    """What stands between the brackets of a class."""
    return "".join(f"{_named(a)}" if a == b else f"{_named(a)}-{_named(b)}" for a, b in ranges)


def _named(character: int) -> str:
    return f"\\x{{{character:x}}}"
