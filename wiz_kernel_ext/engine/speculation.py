"""Who guesses how many tokens in a step: as many as pay by what steps cost and guesses brought.

Each drafter says how likely it is right; the measured cost of a step says what more rows take. Of
several answers each is to gain: a draft that makes one faster and slows the others counts what they
lose. Pure but for the drafters; asked by the scheduler, told by the engine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence as Many

from wiz_kernel_ext.engine.drafting import Drafter, Wanted
from wiz_kernel_ext.engine.sequence import Sequence
from wiz_kernel_ext.engine.step_cost import StepCost

DRAFT_ROWS = 16
"""Tokens guessed in one step, of all answers together."""
_GROWTH = 2
"""Times as many rows as were ever measured a step may have."""
_WORTH_IT = 0.03
"""The part by which a draft has to make answers faster: what is expected is not always so."""


class Speculation:
    """The drafters, what they were worth, and what steps cost."""

    def __init__(self, drafters: Many[Drafter]) -> None:
        self._drafters = drafters
        self._cost = StepCost()
        self._used: dict[int, Drafter] = {}

    def draft(self, answering: Many[Sequence], n_most: int) -> list[list[int]]:
        """What each of `answering` may go on with, at most `n_most` tokens in all."""
        drafts: list[list[int]] = [[] for _ in answering]
        if n_most < 1 or not self._cost.is_known:
            return drafts
        best = [self._best(sequence) for sequence in answering]
        if not any(chance for _, chance in best):
            return drafts
        # What more rows cost is found out in small steps.
        n_known = max(2, _GROWTH * self._cost.n_tried - len(answering))
        lengths = self._lengths(answering, best, min(n_most, DRAFT_ROWS, n_known))
        for drafter in self._drafters:
            at = [i for i, n in lengths.items() if best[i][0] is drafter]
            if not at:
                continue
            wanted = [Wanted(answering[i].number, answering[i].tokens, lengths[i]) for i in at]
            for i, proposed in zip(at, drafter.propose(wanted), strict=True):
                drafts[i] = proposed
                self._used[answering[i].number] = drafter
        return drafts

    def _best(self, sequence: Sequence) -> tuple[Drafter | None, float]:
        """The drafter most likely right for an answer, and how likely."""
        best: tuple[Drafter | None, float] = (None, 0.0)
        if sequence.n_draftable < 1:
            return best
        for drafter in self._drafters:
            if drafter in sequence.drafters:
                chance = drafter.chance(sequence.number, sequence.tokens)
                if chance > best[1]:
                    best = drafter, chance
        return best

    def _lengths(
        self,
        answering: Many[Sequence],
        best: Many[tuple[Drafter | None, float]],
        n_most: int,
    ) -> dict[int, int]:
        """How many tokens to guess for which answer: those from which all gain most.

        Gains are logarithms: twice as fast for one weighs as much as half as fast for another.
        """
        gains = []
        for i, (drafter, chance) in enumerate(best):
            likely = expected = 1.0
            for _ in range(min(answering[i].n_draftable, n_most) if drafter else 0):
                assert drafter is not None
                likely *= chance
                gains.append((math.log1p(likely / expected), i, drafter.token_s))
                expected += likely
        gains = sorted(gains, key=lambda one: -one[0])[:n_most]
        n = len(answering)
        seconds = self._cost.curve(n, n + len(gains))
        gained, drafting_s, most, n_best = 0.0, 0.0, _WORTH_IT, 0
        for m, (gain, _, token_s) in enumerate(gains, 1):
            gained += gain
            drafting_s += token_s
            step_s = seconds[m] + drafting_s
            if (net := gained - n * math.log(step_s / seconds[0])) > most:
                most, n_best = net, m
        lengths: dict[int, int] = {}
        for _, i, _ in gains[:n_best]:
            lengths[i] = lengths.get(i, 0) + 1
        return lengths

    def learn(self, sequence: Sequence, n_drafted: int, n_kept: int) -> None:
        """Of a draft so many were right."""
        self._used[sequence.number].learn(sequence.number, n_drafted, n_kept)

    def learn_step(self, n_rows: int, seconds: float) -> None:
        """A step that read no prompt took so long."""
        if seconds > 0:
            self._cost.learn(n_rows, seconds)

    def forget(self, sequence: Sequence) -> None:
        """An answer has ended."""
        self._used.pop(sequence.number, None)
        for drafter in self._drafters:
            drafter.forget(sequence.number)

    def set_threads(self, threads: int) -> None:
        """Drafters compute with as many threads as the engine."""
        for drafter in self._drafters:
            drafter.set_threads(threads)

    def abort(self) -> None:
        """Break off what a drafter computes; from any thread."""
        for drafter in self._drafters:
            drafter.abort()
