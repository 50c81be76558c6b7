"""Where the engine falls short of the corpus today: a list that may only become shorter.

`tests/engine/test_schema_corpus.py` fails for what is not on it, and for what need not be any more.
"""

from __future__ import annotations

ENFORCED_LOOSELY: frozenset[str] = frozenset(
    {
        "bounds: over 0, under 1",
        "formats: date",
        "formats: time",
        "formats: date-time",
        "keywords refused: additional items of older drafts",
        "malformed: a type that is a number",
        "traps: a key by its escape",
        "traps: a line end as a key",
        "traps: a key that no pattern is for",
        "traps: two of the same are not two",
        "traps: two of the same kind are not two",
        "traps: no quote",
        "traps: no backslash",
        "traps: neither",
        "traps: no quote by its number",
        "traps: no quote, no letter",
        "traps: quoted",
        "traps: a tag's inside",
        "traps: no word character",
        "traps: no digit",
        "traps: none of the word characters",
        "traps: none of the digits",
        "traps: no space",
        "traps: a class of POSIX",
        "traps: a key without a quote",
        "traps: a constant beyond 53 bits",
        "traps: a constant of 64 bits",
        "traps: an enum beyond 53 bits",
        "traps: bounds beyond 53 bits",
    }
)
"""Something comes through that does not fit, or is not refused at all."""
AT_TIMES: frozenset[str] = frozenset(
    {
        "real world: meeting",
        "Pydantic: dates and ids",
        "formats: a date and a time apart",
    }
)
"""The same, where it takes luck to see it: a second 60, a 29 February."""
NOT_NAMED: frozenset[str] = frozenset(
    {
        "bounds: 64 bits",
        "references: a name in Japanese",
        "references refused: to nothing",
        "references refused: to nothing, deep in it",
        "references refused: to another file",
        "references refused: to a page",
        "references refused: to a text",
        "patterns refused: look-ahead",
        "patterns refused: a password's rules",
        "patterns refused: negative look-ahead",
        "patterns refused: look-behind",
        "patterns refused: negative look-behind",
        "patterns refused: a back reference",
        "patterns refused: a named back reference",
        "patterns refused: a group that does not close",
        "patterns refused: a set that does not close",
        "patterns refused: nothing to repeat",
        "patterns refused: a range the wrong way",
        "patterns refused: counts the wrong way",
        "patterns refused: an escape that is none",
        "patterns refused: an atomic group",
        "impossible: nothing between",
        "impossible: no multiple in reach",
        "impossible: an empty enum",
        "impossible: an enum that does not fit its type",
        "impossible: a constant that does not fit",
        "impossible: items false, one wanted",
        "impossible: a tuple too short",
        "impossible: pattern against length",
        "impossible: patterns apart",
        "impossible: false in all of",
        "impossible: no type",
        "impossible: constants apart",
        "impossible: an item that cannot be",
        "malformed: items are a number",
        "malformed: a multiple of 0",
        "malformed: a property that is a text",
        "explosive: a hundred thousand values",
        "traps: counted beside optional ones",
        "traps: patterns of keys that overlap",
        "traps: an intersection of Rust",
        "traps: a word's end",
        "traps: at least a trillion millions",
    }
)
"""Refused in words that name what is wrong, but not the keyword."""
GAPS = ENFORCED_LOOSELY | AT_TIMES | NOT_NAMED
