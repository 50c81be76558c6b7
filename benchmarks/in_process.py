"""The in-process side of the streaming benchmark, in a process with a worker's environment.

`python -m benchmarks.in_process MODEL`: for each line on standard input, `N_TOKENS PROMPT`, answers
greedily and prints `SECONDS_TO_FIRST_TEXT TOKENS_PER_SECOND`.
"""

from __future__ import annotations

import asyncio
import sys
import time

from wiz_kernel_ext import LlamaWorker


async def main(model: str) -> None:
    """Load the model, then answer until standard input ends."""
    worker = await LlamaWorker.create()
    await worker.load_model(model)
    await worker.create_context()
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        n_tokens, _, prompt = line.strip().partition(" ")
        await worker.initialize_session()
        started = time.perf_counter()
        operation = await worker.send_prompt(prompt, temperature=0, max_tokens=int(n_tokens))
        first = 0.0
        async for _ in operation:
            first = first or time.perf_counter()
        ended = time.perf_counter()
        answer = await operation.result()
        rate = (answer.usage.n_tokens - 1) / (ended - first)
        print(first - started, rate, flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
