"""What a run found, for a table, a plot and a file: medians, and ours against the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from benchmarks.engine.contenders import Kind
from benchmarks.engine.rounds import Comparison
from benchmarks.engine.works import Measure
from benchmarks.report import Figure


@dataclass(frozen=True)
class Line:
    """One measure of all contenders: their medians, and how many times as fast ours is."""

    measure: Measure
    medians: dict[str, float]
    over_raw: float | None
    over_peers: float | None

    @property
    def ours(self) -> float | None:
        """Our median; None without us."""
        return self.medians.get("ours")

    def goals(self) -> list[tuple[str, bool]]:
        """Each goal in words, and whether it is reached; those that were not measured are not."""
        m = self.measure
        goals = [
            ("≥ {:.2f} × raw", m.times_raw, self.over_raw),
            ("≥ {:.2f} × peers", m.times_peers, self.over_peers),
            ("≥ {:g}", m.at_least, self.ours),
            ("≤ {:g} " + m.unit, m.at_most, self.ours),
        ]
        return [
            (words.format(goal), value <= goal if words.startswith("≤") else value >= goal)
            for words, goal, value in goals
            if goal is not None and value is not None
        ]


@dataclass(frozen=True, kw_only=True)
class Results:
    """A run: of what, where and when, and what it found."""

    date: str
    machine: str
    model: str
    n_rounds: int
    kinds: Sequence[Kind]
    measures: Sequence[Measure]
    comparison: Comparison = field(default_factory=Comparison)
    alone: list[Figure] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)

    def lines(self) -> list[Line]:
        """One for each measure that was taken."""
        found = ((m, self.comparison.samples.get(m.name, {})) for m in self.measures)
        return [self._line(measure, samples) for measure, samples in found if samples]

    def _line(self, measure: Measure, samples: dict[str, list[float | None]]) -> Line:
        return Line(
            measure,
            {name: median(kept) for name, all_ in samples.items() if (kept := _kept(all_))},
            self._over("raw", measure, samples),
            self._over("peer", measure, samples),
        )

    def _over(
        self, role: str, measure: Measure, samples: dict[str, list[float | None]]
    ) -> float | None:
        """How many times as fast ours is as the best of a role: the median of the rounds."""
        ratios = []
        for kind in self.kinds:
            if kind.role != role:
                continue
            pairs = zip(samples.get("ours", []), samples.get(kind.name, []), strict=False)
            each = [
                theirs / mine if measure.is_time else mine / theirs
                for mine, theirs in pairs
                if mine and theirs
            ]
            ratios += [median(each)] if each else []
        return min(ratios, default=None)

    def as_json(self) -> dict[str, Any]:
        """All of it, as plain values."""
        return {
            "date": self.date,
            "machine": self.machine,
            "model": self.model,
            "rounds": self.n_rounds,
            "measured": self.comparison.n_measured,
            "dropped": self.comparison.n_noisy,
            "failures": self.comparison.failures,
            "left_out": self.left_out,
            "works": {
                line.measure.name: {
                    "unit": line.measure.unit,
                    "samples": self.comparison.samples[line.measure.name],
                    "over_raw": line.over_raw,
                    "over_peers": line.over_peers,
                    "goals": dict(line.goals()),
                }
                for line in self.lines()
            },
            "alone": {
                figure.name: {"unit": figure.unit, "samples": figure.samples, "goal": figure.goal}
                for figure in self.alone
            },
        }


def _kept(samples: list[float | None]) -> list[float]:
    return [sample for sample in samples if sample is not None]
