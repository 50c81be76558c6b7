"""One side of the embedding benchmark, in a process of its own.

`python -m benchmarks.embedding_contender ours|theirs MODEL THREADS BATCH FILE`: for each line on
standard input makes vectors of the texts in that JSON file, prints the seconds that took, and keeps
the vectors in a file of numpy's. THREADS 0: as many as each takes by itself.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import wiz_kernel_ext.engine.llama.backend  # noqa: F401 - before all that links a C++ library

# isort: split
import numpy as np

from wiz_kernel_ext import LlamaWorker

Embed = Callable[[list[str]], Awaitable[Any]]


async def ours(model: str, threads: int, _: int) -> Embed:
    """This project, in-process."""
    worker = await LlamaWorker.create()
    await worker.load_model(model)
    await worker.create_context(**({"threads": threads} if threads else {}))
    return worker.embed


async def theirs(model: str, threads: int, batch: int) -> Embed:
    """llama-cpp-python's own `embed`, many texts in a batch, with the pooling of ours."""
    import llama_cpp

    facts = llama_cpp.Llama(model, vocab_only=True, verbose=False).metadata
    kind = facts.get("general.architecture", "")
    # A chat model has none of its own, and its rows one by one would take minutes.
    pooling = -1 if f"{kind}.pooling_type" in facts else llama_cpp.LLAMA_POOLING_TYPE_MEAN
    llama = llama_cpp.Llama(
        model, embedding=True, pooling_type=pooling, n_ctx=max(512, batch), n_batch=batch,
        n_ubatch=batch, n_threads=threads or None, n_threads_batch=threads or None, verbose=False,
    )  # fmt: skip

    async def embed(texts: list[str]) -> Any:
        return np.array(llama.embed(texts), np.float32)

    return embed


async def main(who: str, model: str, threads: str, batch: str, file: str, texts: list[str]) -> None:
    """Answer until standard input ends."""
    warnings.simplefilter("ignore")
    make = {"ours": ours, "theirs": theirs}[who]
    embed = await make(model, int(threads), int(batch))
    await embed(texts[:16])
    print("ready", flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        started = time.perf_counter()
        vectors = await embed(texts)
        print(time.perf_counter() - started, flush=True)
        np.save(f"{file}.{who}.npy", vectors)


if __name__ == "__main__":
    _who, _model, _threads, _batch, _file = sys.argv[1:6]
    asyncio.run(main(_who, _model, _threads, _batch, _file, json.loads(Path(_file).read_text())))
