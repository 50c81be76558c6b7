"""The results as Markdown: who, a table of medians and ratios, and what was left out."""

from __future__ import annotations

from benchmarks.engine.results import Line, Results
from benchmarks.report import table

NOTHING = "–"


def markdown(results: Results) -> str:
    """The section that docs/how-fast.md carries."""
    parts = [_head(results)]
    if lines := results.lines():
        parts.append(_comparison(results, lines))
    if results.alone:
        parts.append(table(results.alone))
    if remarks := _remarks(results):
        parts.append("\n".join(f"- {remark}" for remark in remarks))
    return "\n\n".join(parts)


def _head(results: Results) -> str:
    found = results.comparison
    rounds = "1 round" if results.n_rounds == 1 else f"{results.n_rounds} rounds"
    return (
        f"{results.date}, {results.machine}; {results.model}, greedy; medians of {rounds}, in "
        f"turns. {found.n_noisy} of {found.n_measured} measurements were dropped because others "
        "took the machine."
    )


def _comparison(results: Results, lines: list[Line]) -> str:
    present = {name for line in lines for name in line.medians}
    names = [kind.name for kind in results.kinds if kind.name in present]
    titles = ["work", *names, "ours ÷ raw", "ours ÷ best peer", "goal"]
    rows = [titles, ["---"] * len(titles)]
    for line in lines:
        measure = line.measure
        rows.append(
            [
                f"{measure.name}, {measure.unit}",
                *(_number(line.medians.get(name), is_bold=name == "ours") for name in names),
                _number(line.over_raw),
                _number(line.over_peers),
                ", ".join(f"{words} {'✓' if is_so else '✗'}" for words, is_so in line.goals()),
            ]
        )
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _number(value: float | None, *, is_bold: bool = False) -> str:
    if value is None:
        return NOTHING
    text = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return f"**{text}**" if is_bold else text


def _remarks(results: Results) -> list[str]:
    left_out = [f"{name} was left out: {why}" for name, why in results.left_out.items()]
    return left_out + [f"{what}: {why}" for what, why in results.comparison.failures.items()]
