"""The rounds: every work asked of every contender in turn, again where others took the machine."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from benchmarks.engine.contenders.process import Contender, ContenderFailed
from benchmarks.engine.quiet import Watch, busy_cores
from benchmarks.engine.works import Ask, Measure, Ran, Work, text

N_TRIES = 3
"""Of a measurement on a machine that is not quiet, before it is left out."""
WARM_UP = (300, 16)

Say = Callable[[str], None]
Samples = dict[str, dict[str, list[float | None]]]


@dataclass
class Comparison:
    """Samples by measure, contender and round; None is one that was left out.

    `n_noisy` of `n_measured` measurements were dropped because others took the machine.
    """

    samples: Samples = field(default_factory=dict)
    n_measured: int = 0
    n_noisy: int = 0
    failures: dict[str, str] = field(default_factory=dict)


@dataclass
class Rounds:
    """Asks `contenders`, which are started and closed by whoever made them, for `works`.

    With `heeds_others` what was measured on a machine that others used is dropped.
    """

    contenders: Sequence[Contender]
    works: Sequence[Work]
    say: Say
    heeds_others: bool = True
    found: Comparison = field(default_factory=Comparison)

    def run(self, n_rounds: int) -> Comparison:
        """Warm all up, then so many rounds, in which the order goes around."""
        chance = random.Random()
        n_read, n = WARM_UP
        for contender in self.contenders:
            self._tried(contender, "warming up", [Ask(texts=[text(chance, n_read)], n=n)])
        for number in range(n_rounds):
            at = number % max(len(self.contenders), 1)
            for work in self.works:
                self.say(f"round {number + 1} of {n_rounds}: {work.name}")
                for contender in [*self.contenders[at:], *self.contenders[:at]]:
                    self._measure(work, contender, chance)
        return self.found

    def _measure(self, work: Work, contender: Contender, chance: random.Random) -> None:
        ran: list[Ran] | None = None
        for _ in range(N_TRIES):
            ran, disturbance = self._tried(contender, work.name, work.draw(chance))
            self.found.n_measured += 1
            if ran is None or not disturbance or not self.heeds_others:
                break
            self.say(f"{contender.name}: once more, {disturbance}")
            self.found.n_noisy += 1
            ran = None
        for measure in work.measures:
            of_all = self.found.samples.setdefault(measure.name, {})
            of_all.setdefault(contender.name, []).append(_taken(measure, ran) if ran else None)

    def _tried(
        self, contender: Contender, name: str, asks: list[Ask]
    ) -> tuple[list[Ran] | None, str]:
        """How `asks` went, and who took the machine meanwhile, if anybody."""
        try:
            ran, disturbance = [], ""
            for ask in asks:
                with busy_cores(ask.busy) as busy:
                    watch = Watch(contender.processes, busy)
                    ran.append(contender.ask(ask))
                    disturbance = disturbance or watch.disturbance()
            return ran, disturbance
        except ContenderFailed as error:
            self.found.failures[f"{contender.name}, {name}"] = str(error)
            with suppress(ContenderFailed):  # then the next one fails, and says so
                contender.start()
            return None, ""


def _taken(measure: Measure, ran: Sequence[Ran]) -> float | None:
    with suppress(ZeroDivisionError):
        return measure.take(ran)
    return None
