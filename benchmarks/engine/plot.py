"""The comparison as a picture: how fast each contender is at each work, the raw loop being 1."""

from __future__ import annotations

import math
from html import escape

from benchmarks.engine.results import Line, Results

COLOURS = {
    "ours": "#d1495b",
    "raw loop, flash attention": "#8d99ae",
    "raw loop, plain": "#2b2d42",
    "llama-cpp-python": "#edae49",
    "xllamacpp": "#00798c",
    "node-llama-cpp": "#66a182",
}
LEFT, RIGHT, TOP, ROW, FOOT = 300, 40, 70, 34, 30
WIDTH = 900
STEPS = (1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8, 16, 32, 64)


def svg(results: Results) -> str:
    """An SVG: a row for each work, a dot for each contender, on a scale of doublings."""
    lines = results.lines()
    speeds = [_speeds(line) for line in lines]
    values = [value for of_one in speeds for value in of_one.values()] or [1.0]
    low, high = math.log2(min([*values, 0.5])) - 0.2, math.log2(max([*values, 2.0])) + 0.2
    bottom = TOP + ROW * len(lines)

    def x(value: float) -> float:
        return LEFT + (math.log2(value) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{bottom + FOOT}" '
        'font-family="sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for step in STEPS:
        if low <= math.log2(step) <= high:
            shade = "#666" if step == 1 else "#ddd"
            name = f"{step:g} ×" if step >= 1 else f"1/{1 / step:g} ×"
            parts.append(
                f'<line x1="{x(step):.1f}" x2="{x(step):.1f}" y1="{TOP - 8}" y2="{bottom}" '
                f'stroke="{shade}"/>'
            )
            parts.append(_words(x(step), bottom + 18, name, anchor="middle"))
    at = 20.0
    for name in dict.fromkeys(name for of_one in speeds for name in of_one):
        parts.append(_dot(at, 20, name))
        parts.append(_words(at + 10, 25, name))
        at += 30 + 7.2 * len(name)
    parts.append(_words(20, 50, "speed against the better raw loop (or ours, without one)"))
    for i, (line, of_one) in enumerate(zip(lines, speeds, strict=True)):
        y = TOP + ROW * i + ROW // 2
        parts.append(_words(LEFT - 12, y + 4, line.measure.name, anchor="end"))
        parts += [_dot(x(value), y, name) for name, value in of_one.items()]
    return "\n".join([*parts, "</svg>\n"])


def _speeds(line: Line) -> dict[str, float]:
    """Each contender's speed, that of the better raw loop (else ours) being 1."""
    speeds = {
        name: 1 / value if line.measure.is_time else value
        for name, value in line.medians.items()
        if value > 0
    }
    raw = [speed for name, speed in speeds.items() if name.startswith("raw loop")]
    unit = max(raw) if raw else speeds.get("ours", 1.0)
    return {name: speed / unit for name, speed in speeds.items()}


def _words(x: float, y: float, text: str, *, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _dot(x: float, y: float, name: str) -> str:
    colour = COLOURS.get(name, "#999")
    title = f"<title>{escape(name)}</title>"
    radius = 7 if name == "ours" else 5
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{colour}">{title}</circle>'
