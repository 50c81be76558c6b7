"""Guessing what an answer goes on with, so that several tokens are computed in one step.

A draft costs rows of a step and is kept as far as the answer would have said the same: the text is
the same with and without. Pure; called by the scheduler and the engine.
"""

from __future__ import annotations

from collections.abc import Sequence

DRAFT_ROWS = 16
"""Tokens guessed in one step, of all answers together."""
MOST = 8
"""Tokens of one draft: on a CPU each costs up to half a step."""
_N_ALIKE = 3
"""So many tokens have to be the same for the next to be guessed from what came after them."""
_ROW_COST = 0.45
_PAUSE = 32


class PromptLookup:
    """Guesses that an answer repeats what stands in its prompt, or in itself.

    Long where it is right, and pausing where its guesses cost more than they bring.
    """

    def __init__(self) -> None:
        self._ends: dict[tuple[int, ...], int] = {}
        self._n_indexed = _N_ALIKE
        self._length = MOST // 2
        self._balance = 0.0
        self._not_before = 0
        self.n_drafted = 0
        self.n_kept = 0

    def propose(self, tokens: Sequence[int], most: int) -> list[int]:
        """At most `most` tokens that may follow `tokens`, a prompt and its answer so far."""
        n = len(tokens)
        ends = self._ends
        for end in range(self._n_indexed, n):
            ends[tuple(tokens[end - _N_ALIKE : end])] = end
        self._n_indexed = max(self._n_indexed, n)
        if n < self._not_before:
            return []
        found = ends.get(tuple(tokens[n - _N_ALIKE :]))
        if found is None:
            return []
        length = min(self._length, most)
        # What is repeated may reach into what is guessed.
        guessed = list(tokens[found : found + length])
        while guessed and len(guessed) < length:
            guessed += guessed[: length - len(guessed)]
        return guessed

    def learn(self, n_tokens: int, n_drafted: int, n_kept: int) -> None:
        """Of a draft so many were kept; there are `n_tokens` now."""
        self.n_drafted += n_drafted
        self.n_kept += n_kept
        self._length = min(MOST, 2 * n_drafted) if n_kept == n_drafted else max(1, n_kept + 1)
        self._balance = min(2.0, self._balance + n_kept - _ROW_COST * n_drafted)
        if self._balance < -1.0:
            self._balance, self._not_before = 0.0, n_tokens + _PAUSE
