"""A sample of the corpus, asked of a real model: greedy and hot, all at once.

Without what is known to fall short, which `tests/engine/constraints/test_schema_corpus.py` watches.

All of it, on models of choice: `python -m benchmarks constraints --works corpus --models FILE …`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.corpora.schemas import CORPUS
from tests.corpora.schemas.case import Case
from tests.corpora.schemas.gaps import GAPS
from tests.corpora.schemas.verdicts import RIGHT, Outcome, judge
from wiz_kernel_ext.errors import BadRequest, InternalError
from wiz_kernel_ext.worker.llama_worker import LlamaWorker

SEED = 13
N_SAMPLED = 100
MAX_TOKENS = 200
TIMEOUT_S = 60.0


@pytest.fixture
async def worker() -> AsyncIterator[LlamaWorker]:
    worker = await LlamaWorker.create()
    await worker.load_model("demo")
    await worker.create_context(context_size=2048)
    yield worker
    await worker.close()


def sample(n: int) -> list[Case]:
    """So many of the corpus, always the same, of every group as far as that goes."""
    chance = random.Random(SEED)
    shuffled = [case for case in chance.sample(CORPUS, len(CORPUS)) if case.name not in GAPS]
    seen: dict[str, int] = {}
    ranks = []
    for case in shuffled:
        ranks.append(seen.setdefault(case.group, 0))
        seen[case.group] += 1
    in_turns = sorted(zip(ranks, range(len(shuffled)), shuffled, strict=True))
    return [case for _, _, case in in_turns[:n]]


async def asked(worker: LlamaWorker, case: Case, temperature: float) -> Outcome:
    options: dict[str, Any] = {"temperature": temperature, "seed": SEED, "max_tokens": MAX_TOKENS}
    try:
        answer = await asyncio.wait_for(
            worker.prompt("Say it.", messages=[], schema=case.schema, **options), TIMEOUT_S
        )
    except BadRequest as error:
        return Outcome(refusal=f"{error} {error.hint} {error.details}")
    except InternalError:
        return Outcome(ending="crashed")
    except asyncio.TimeoutError:
        return Outcome(ending="hung")
    return Outcome(text=str(answer), is_incomplete=answer.incomplete)


@pytest.mark.parametrize("temperature", [0.0, 1.5], ids=["greedy", "hot"])
async def test_every_answer_fits_its_schema_or_is_refused_by_name(
    worker: LlamaWorker, temperature: float
) -> None:
    cases = sample(N_SAMPLED)
    outcomes = await asyncio.gather(*(asked(worker, case, temperature) for case in cases))
    judged = {case.name: judge(case, got) for case, got in zip(cases, outcomes, strict=True)}
    assert {name: one for name, one in judged.items() if one[0] not in RIGHT} == {}
    assert "valid" in {verdict for verdict, _ in judged.values()}
