"""Guesses that an answer repeats what stands in its prompt, or in itself: an edited text, code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile

import numpy as np

from wiz_kernel_ext.engine.drafting import Chance, Drafter, Wanted

_N_ALIKE = 3
"""So many tokens have to be the same for the next to be guessed from what came after them."""
_LONGEST = 24
"""More tokens alike say no more."""
_PRIORS = {_N_ALIKE: 0.4, 6: 0.75, 12: 0.9}
"""From how many tokens alike on, and how often the next one is then the same too."""
_MODEL_FADES = 0.998
"""Of what was seen in all answers, with each token: a model's ways change with what it is asked."""
_N_LOOKED_AT = 256
"""Places with the same last token that are looked at, the latest ones."""


class PromptLookup(Drafter):
    """What followed the latest of the longest places that read as the text does now.

    An answer begins with what the model's other answers showed, and goes on with its own.
    """

    def __init__(self) -> None:
        self._texts: dict[int, _Text] = {}
        self._chances = {n: Chance(prior, _MODEL_FADES) for n, prior in _PRIORS.items()}

    def chance(self, number: int, tokens: Sequence[int]) -> float:
        text = self._texts.get(number)
        if text is None:
            text = self._texts[number] = _Text(self._chances)
        if text.read(tokens):
            for chance in self._chances.values():
                chance.fade()
        return text.chance.value if text.follows else 0.0

    def propose(self, wanted: Sequence[Wanted]) -> list[list[int]]:
        return [self._texts[one.number].guess(one.tokens, one.most) for one in wanted]

    def learn(self, number: int, n_drafted: int, n_kept: int) -> None:
        text = self._texts[number]
        text.chance.learn(n_drafted, n_kept)
        self._chances[text.n_alike].learn(n_drafted, n_kept)

    def forget(self, number: int) -> None:
        self._texts.pop(number, None)


class _Text:
    """A prompt and its answer; `follows` is what came after the place that reads alike, or 0."""

    def __init__(self, chances: Mapping[int, Chance]) -> None:
        self._tokens = np.zeros(256, np.int32)
        self._n = 0
        self._chances = {n: Chance(chance.value) for n, chance in chances.items()}
        self.n_alike = _N_ALIKE
        self.follows = 0

    @property
    def chance(self) -> Chance:
        """Of a guess from so many tokens alike."""
        return self._chances[self.n_alike]

    def read(self, tokens: Sequence[int]) -> bool:
        """Take what has come since, and find where it reads alike; False if nothing has."""
        n = len(tokens)
        if n == self._n:
            return False
        if n > len(self._tokens):
            self._tokens = np.resize(self._tokens, 2 * n)
        self._tokens[self._n : n] = tokens[self._n :]
        self._n = n
        for chance in self._chances.values():
            chance.fade()
        n_alike, self.follows = self._find()
        self.n_alike = max((n for n in _PRIORS if n <= n_alike), default=_N_ALIKE)
        return True

    def _find(self) -> tuple[int, int]:
        """How many tokens are alike at most, and where the latest such place goes on."""
        tokens, last = self._tokens, self._n - 1
        ends = np.flatnonzero(tokens[:last] == tokens[last])[-_N_LOOKED_AT:]
        for n_alike in range(1, _LONGEST):
            longer = ends[ends >= n_alike]
            longer = longer[tokens[longer - n_alike] == tokens[last - n_alike]]
            if not len(longer):
                break
            ends = longer
        else:
            n_alike = _LONGEST
        return (n_alike, int(ends[-1]) + 1) if len(ends) and n_alike >= _N_ALIKE else (0, 0)

    def guess(self, tokens: Sequence[int], most: int) -> list[int]:
        """What came after, and over again where that reaches into what is guessed.

        Up to an image: nobody writes one.
        """
        found = tokens[self.follows : self.follows + most]
        guessed = list(takewhile(lambda token: token >= 0, found))
        while len(guessed) >= len(found) and len(guessed) < most:
            guessed += guessed[: most - len(guessed)]
        return guessed
