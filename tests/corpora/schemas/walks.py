"""Answers drawn at random from what a constraint leaves open, byte by byte: a model's worst."""

from __future__ import annotations

import random

from wiz_kernel_ext.engine.constraints.constraint import Constraint

CLOSING = b'"]}'


def answer(constraint: Constraint, chance: random.Random, n_most: int) -> str | None:
    """An answer of at most `n_most` bytes; None where it was not whole by then.

    Of a vocabulary whose first 256 tokens are bytes. Raises DeadEnd.
    """
    drawn: list[int] = []
    while len(drawn) < n_most:
        mask = constraint.mask()
        open_ = [byte for byte in range(256) if mask[byte >> 5] >> (byte & 31) & 1]
        if constraint.is_whole and (not open_ or chance.random() < 0.3):
            return _text(drawn)
        if not open_:
            raise DeadEnd(_text(drawn))
        drawn.append(_drawn(open_, chance))
        drawn += constraint.take(drawn[-1])
        if constraint.is_over:
            return _text(drawn)
    return None


class DeadEnd(Exception):
    """Nothing may follow, and the answer is not whole."""


def accepts(constraint: Constraint, text: str) -> bool:
    """Whether `text` may come, and be all of the answer."""
    for byte in text.encode():
        if not constraint.mask()[byte >> 5] >> (byte & 31) & 1:
            return False
        constraint.take(byte, forces=False)
    return constraint.is_whole


def _drawn(open_: list[int], chance: random.Random) -> int:
    """More often what closes, so that it ends, and printable ones, so that it can be read."""
    closing = [byte for byte in open_ if byte in CLOSING]
    if closing and chance.random() < 0.25:
        return chance.choice(closing)
    printable = [byte for byte in open_ if 32 <= byte < 127]
    return chance.choice(open_ if not printable or chance.random() < 0.1 else printable)


def _text(drawn: list[int]) -> str:
    return bytes(drawn).decode(errors="replace")
