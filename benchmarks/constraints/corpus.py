"""The schemas of the corpus, asked for one by one, greedy and hot; each answer is judged."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from benchmarks.constraints.process import Ask, Asked
from tests.corpora.schemas.case import Case
from tests.corpora.schemas.verdicts import RIGHT, Verdict, judge

TEMPERATURES = {"greedy": 0.0, "hot": 1.5}
PROMPT = "An example as JSON:\n"
LIMIT_S = 30.0
ORDER: list[Verdict] = [
    "valid",
    "incomplete",
    "refused rightly",
    "refused, not named",
    "refused wrongly",
    "invalid",
    "crashed",
    "hung",
]
TITLES = ["contender", "", *ORDER, "tokens/s"]


@dataclass
class Tally:
    """What became of the corpus; `wrong` says why, for each that was not right."""

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    wrong: dict[str, str] = field(default_factory=dict)
    n_tokens: int = 0
    seconds: float = 0.0

    def row(self, name: str, way: str) -> str:
        """A line of the table."""
        speed = f"{self.n_tokens / self.seconds:.0f}" if self.seconds else "–"
        cells = [name, way, *(str(self.verdicts[verdict]) for verdict in ORDER), speed]
        return f"| {' | '.join(cells)} |"


def ask_for_all(
    asked: Asked,
    cases: Sequence[Case],
    tally: Tally,
    way: str,
    n: int,
    say: Callable[[str], None],
) -> None:
    """Ask for each of `cases` in `n` tokens at most, and count in `tally` what comes."""
    for case in cases:
        ask = Ask(text=PROMPT, schema=case.schema, n=n, temperature=TEMPERATURES[way])
        got = asked.ask([ask], LIMIT_S)
        verdict, why = judge(case, got.outcomes[0])
        tally.verdicts[verdict] += 1
        tally.n_tokens += got.n_tokens
        tally.seconds += got.seconds if got.n_tokens else 0.0
        if verdict not in RIGHT:
            tally.wrong[case.name] = f"{verdict}: {why}".strip(": ")
            say(f"{asked.name}, {way}, {case.name}: {tally.wrong[case.name][:200]}")


def sampled(cases: Sequence[Case], n: int | None) -> list[Case]:
    """So many of them, always the same; all without a number."""
    if n is None or n >= len(cases):
        return list(cases)
    return random.Random(13).sample(list(cases), n)
