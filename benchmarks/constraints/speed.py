"""What following a schema costs: tokens a second with one ÷ without, and the wait for the first."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks.constraints.process import Ask, Asked, Got
from tests.corpora.schemas.case import Schema, array, obj

N_STREAMS = 8
N_PROPERTIES = 100
LIMIT_S = 120.0
WORD: Schema = {"type": "string", "minLength": 3, "maxLength": 60}
NUMBER: Schema = {"type": "integer", "minimum": 0, "maximum": 10**6}


def measures() -> dict[str, str]:
    """The lines of the table and their units."""
    return {
        "one stream, free": "tokens/s",
        "one stream, constrained": "tokens/s",
        "one stream, constrained ÷ free": "",
        f"{N_STREAMS} streams, free": "tokens/s",
        f"{N_STREAMS} streams, {N_STREAMS} schemas": "tokens/s",
        f"{N_STREAMS} streams, constrained ÷ free": "",
        f"first token, new schema of {N_PROPERTIES} properties − none": "ms",
    }


@dataclass
class Samples:
    """By measure, one for each round."""

    found: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, value: float) -> None:
        """One more."""
        self.found.setdefault(name, []).append(value)

    def median(self, name: str) -> float | None:
        """The middle one; None where there is none."""
        return median(self.found[name]) if self.found.get(name) else None


def measure_round(asked: Asked, samples: Samples, chance: random.Random, n: int) -> None:
    """A round of all measures; each in both ways one after the other."""
    lines = list(measures())
    _pair(asked, samples, lines[0:3], 1, chance, n)
    _pair(asked, samples, lines[3:6], N_STREAMS, chance, n)
    wide = obj({f"p{chance.randrange(10**9)}": {"type": "boolean"} for _ in range(N_PROPERTIES)})
    free = asked.ask([Ask(text=_text(chance), n=2)], LIMIT_S)
    constrained = asked.ask([Ask(text=_text(chance), n=2, schema=wide)], LIMIT_S)
    if free.first_s and constrained.first_s:
        samples.add(lines[6], 1000 * (constrained.first_s - free.first_s))


def _pair(
    asked: Asked,
    samples: Samples,
    names: Sequence[str],
    n_streams: int,
    chance: random.Random,
    n: int,
) -> None:
    free = asked.ask([Ask(text=_text(chance), n=n) for _ in range(n_streams)], LIMIT_S)
    constrained = asked.ask(
        [Ask(text=_text(chance), n=n, schema=_rows(chance)) for _ in range(n_streams)], LIMIT_S
    )
    speeds = [_speed(got) for got in (free, constrained)]
    for name, speed in zip(names, speeds, strict=False):
        samples.add(name, speed)
    if speeds[0]:
        samples.add(names[2], speeds[1] / speeds[0])


def _speed(got: Got) -> float:
    """Tokens a second after the first where there is one stream, in all where there are more."""
    if len(got.outcomes) == 1:
        return max(got.n_tokens - 1, 0) / max(got.seconds - got.first_s, 1e-6)
    return got.n_tokens / got.seconds


def _rows(chance: random.Random) -> Schema:
    """Rows without an early end, of properties with names of their own."""
    names = [f"{word}{chance.randrange(100)}" for word in ("name", "place", "why")]
    row = obj({**dict.fromkeys(names, WORD), f"n{chance.randrange(100)}": NUMBER})
    return array(row, minItems=50, maxItems=60)


def _text(chance: random.Random) -> str:
    return f"{chance.random()} Some people, where they live and why, as JSON:\n"
