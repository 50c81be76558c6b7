"""Reproducible text on the real library: the same bits alone, in company, afterwards, elsewhere."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from wiz_kernel_ext.errors import WizError
from wiz_kernel_ext.protocol.answer import Answer
from wiz_kernel_ext.worker.llama_worker import LlamaWorker

N_PROMPTS = 50
WORDS = "the capital of a small grey river town is old and who are you tell me how to".split()


def prompts() -> list[str]:
    draw = random.Random(44)
    return [" ".join(draw.choices(WORDS, k=draw.randint(3, 200))) for _ in range(N_PROMPTS)]


@asynccontextmanager
async def worker() -> AsyncIterator[LlamaWorker]:
    made = await LlamaWorker.create()
    try:
        await made.load_model("demo")
        await made.create_context(context_size=512, sequences=4)
        await made.initialize_session()
        yield made
    finally:
        await made.close()


async def said(worker: LlamaWorker, n: int, text: str) -> tuple[str, list[float]]:
    """An answer's text, and every bit of how likely it was; half are greedy, half from a seed."""
    sampling = {"temperature": 0} if n % 2 else {"seed": n, "temperature": 1.0}
    answer: Answer = await worker.prompt(
        text, messages=[], max_tokens=12, reproducible=True, logprobs=0, **sampling
    )
    assert answer.logprobs is not None
    return str(answer), [one.logprob for one in answer.logprobs]


async def noise(worker: LlamaWorker, seed: int) -> None:
    draw = random.Random(seed)
    with suppress(WizError):
        while True:
            text = " ".join(draw.choices(WORDS, k=draw.randint(1, 60)))
            await worker.prompt(text, messages=[], max_tokens=draw.randint(1, 20))


async def test_fifty_prompts_say_the_same_alone_in_company_afterwards_and_after_a_restart() -> None:
    asked = list(enumerate(prompts()))
    async with worker() as one:
        alone = {n: await said(one, n, text) for n, text in asked}
        random.Random(1).shuffle(asked)
        afterwards = {n: await said(one, n, text) for n, text in asked}
        assert afterwards == alone
        company = [asyncio.create_task(noise(one, seed)) for seed in range(3)]
        together = {n: await said(one, n, text) for n, text in asked}
        for task in company:
            task.cancel()
        await asyncio.gather(*company, return_exceptions=True)
        assert together == alone
    async with worker() as two:
        assert {n: await said(two, n, text) for n, text in asked} == alone


async def test_a_context_may_have_all_its_prompts_so() -> None:
    made = await LlamaWorker.create()
    try:
        await made.load_model("demo")
        info = await made.create_context(context_size=512, reproducible=True)
        assert info.reproducible
        await made.initialize_session()
        first = await made.prompt("Who are you?", messages=[], seed=5, max_tokens=20)
        for _ in range(3):
            assert await made.prompt("Who are you?", messages=[], seed=5, max_tokens=20) == first
        assert first.usage.n_cached_tokens == 0
    finally:
        await made.close()
