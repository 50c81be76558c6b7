"""Guessing what answers go on with, so that several tokens are computed in one step.

A draft costs rows of a step and is kept as far as the answer would have said the same. What may
guess is a `Drafter`: each is a file of its own, and `speculation.py` decides who guesses how much.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

_PRIOR_WEIGHT = 2.0
_FADES = 0.98
"""Of an answer's own experience, with each token: what was seen 50 tokens ago counts a third."""


@dataclass(frozen=True)
class Wanted:
    """Up to `most` tokens that may follow `tokens`, a prompt and its answer so far."""

    number: int
    tokens: Sequence[int]
    most: int


class Drafter(ABC):
    """Guesses for many answers, each known by its number; forgets one that has ended."""

    token_s: float = 0.0
    """What guessing one token takes, in seconds."""

    @abstractmethod
    def chance(self, number: int, tokens: Sequence[int]) -> float:
        """How likely each guess is to be right if the one before was; 0 for nothing to guess."""

    @abstractmethod
    def propose(self, wanted: Sequence[Wanted]) -> list[list[int]]:
        """For each answer what may follow; nothing is as good as too little."""

    @abstractmethod
    def learn(self, number: int, n_drafted: int, n_kept: int) -> None:
        """Of a draft for an answer so many were right."""

    @abstractmethod
    def forget(self, number: int) -> None:
        """An answer has ended."""

    def set_threads(self, threads: int) -> None:  # noqa: B027 - most compute nothing
        """Compute with `threads` threads from now on."""

    def abort(self) -> None:  # noqa: B027
        """Break off what is being computed; from any thread."""

    def close(self) -> None:  # noqa: B027
        """Give back what it holds."""


class Chance:
    """How likely a guess is right: as the last ones were, and as `prior` while little is known."""

    def __init__(self, prior: float, fades: float = _FADES) -> None:
        self._prior = prior
        self._fades = fades
        self._right = 0.0
        self._tried = 0.0

    @property
    def value(self) -> float:
        """Between 0 and 1."""
        right = self._right + _PRIOR_WEIGHT * self._prior
        return right / (self._tried + _PRIOR_WEIGHT)

    def fade(self) -> None:
        """A token has come: what was seen counts a little less, so that all is tried again."""
        self._right *= self._fades
        self._tried *= self._fades

    def learn(self, n_drafted: int, n_kept: int) -> None:
        """Of a draft so many were right; what came after the first wrong one says nothing."""
        self._right += n_kept
        self._tried += min(n_kept + 1, n_drafted)
