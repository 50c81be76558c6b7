"""How good the demo model is: `python -m wiz_kernel_ext.demo.evaluate [--model PATH] [--n 40]`.

Asks the shipped Q8_0 file through `LlamaWorker`, as a notebook would, greedily; an answer counts
when it is exactly the right one. Wordings, names, cities and words are kept out of training.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wiz_kernel_ext import LlamaWorker

from . import model_path
from .cases import REQUIRED, Case, cases

CONTEXT_SIZE = 2048
SEQUENCES = 8
MAX_TOKENS = 1000  # counting to 200 takes about 900
LEAST_OVERALL, LEAST_EACH = 0.85, 0.70  # what the project promises for the required skills


@dataclass
class Score:
    """How many cases of one skill were right, and the ones that were not."""

    skill: str
    right: int = 0
    asked: int = 0
    wrong: list[tuple[Case, str]] = field(default_factory=list)

    @property
    def share(self) -> float:
        """Right answers as a share of all, from 0 to 1."""
        return self.right / max(self.asked, 1)

    def add(self, case: Case, answer: str) -> None:
        """Count one answer."""
        self.asked += 1
        if answer == case.expected:
            self.right += 1
        else:
            self.wrong.append((case, answer))


async def evaluate(model: Path, asked: Sequence[Case]) -> list[Score]:
    """Ask the model every case, several at a time, and return a score per skill."""
    worker = await LlamaWorker.create()
    try:
        await worker.load_model(model_path=str(model))
        await worker.create_context(context_size=CONTEXT_SIZE * SEQUENCES, sequences=SEQUENCES)
        gate = asyncio.Semaphore(SEQUENCES)
        answers = await asyncio.gather(*(_ask(worker, case, gate) for case in asked))
    finally:
        await worker.close()
    scores = {case.skill: Score(case.skill) for case in asked}
    for case, answer in zip(asked, answers, strict=True):
        scores[case.skill].add(case, answer)
    return list(scores.values())


async def _ask(worker: LlamaWorker, case: Case, gate: asyncio.Semaphore) -> str:
    async with gate:
        return await worker.prompt(
            case.prompt,
            messages=case.history,
            role=case.role,
            tools=case.tools or None,
            temperature=0.0,
            max_tokens=MAX_TOKENS,
        )


def overall(scores: Sequence[Score]) -> float:
    """Return the share of right answers over the required skills."""
    required = [score for score in scores if score.skill in REQUIRED]
    return sum(s.right for s in required) / max(sum(s.asked for s in required), 1)


def table(scores: Sequence[Score]) -> str:
    """Return the scores as text, the required skills first."""
    rows = [f"{s.skill:<28}{s.right:>4}/{s.asked:<4}{100 * s.share:6.1f} %" for s in scores]
    needed = sum(score.skill in REQUIRED for score in scores)
    total = f"{'required skills, overall':<28}{'':>9}{100 * overall(scores):6.1f} %"
    return "\n".join([*rows[:needed], total, "", *rows[needed:]])


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the scores; the exit code says whether the promise is kept."""
    parser = argparse.ArgumentParser(prog="python -m wiz_kernel_ext.demo.evaluate")
    parser.add_argument("--model", type=Path, default=model_path(), help="GGUF (default: shipped)")
    parser.add_argument("--n", type=int, default=40, help="cases per skill")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--wrong", type=int, default=0, help="wrong answers shown per skill")
    options = parser.parse_args(arguments)
    scores = asyncio.run(evaluate(options.model, cases(options.n)))
    if options.json:
        shares = {s.skill: {"right": s.right, "asked": s.asked} for s in scores}
        print(json.dumps({"skills": shares, "overall": overall(scores)}, indent=2))
    else:
        print(table(scores))
    for score in scores:
        for case, answer in score.wrong[: options.wrong]:
            print(
                f"\n{score.skill}: {case.prompt!r}\n  said  {answer!r}\n  right {case.expected!r}"
            )
    kept = all(s.share >= LEAST_EACH for s in scores if s.skill in REQUIRED)
    return 0 if kept and overall(scores) >= LEAST_OVERALL else 1


if __name__ == "__main__":
    sys.exit(main())
