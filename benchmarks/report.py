"""Figures with their spread, and how they are printed."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Figure:
    """One measured thing: its samples, its unit and, where there is one, its goal in words."""

    name: str
    samples: list[float]
    unit: str
    goal: str = ""

    @property
    def median(self) -> float:
        """The middle sample."""
        return median(self.samples)

    def row(self) -> str:
        """A line of the table: median, range, goal."""
        low, high = min(self.samples), max(self.samples)
        spread = f"{low:.3g} to {high:.3g}" if len(self.samples) > 1 else ""
        return f"| {self.name} | {self.median:.3g} {self.unit} | {spread} | {self.goal} |"


def table(figures: list[Figure]) -> str:
    """The figures as a Markdown table."""
    head = ["| figure | median | range | goal |", "|---|---|---|---|"]
    return "\n".join(head + [figure.row() for figure in figures])
