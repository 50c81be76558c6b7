"""What the engine's Python takes of a step, with 64 long prompts that share their first half.

Everything is real but the computing: `llama_decode` does nothing, and a constant is picked.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import llama_cpp

from benchmarks.engine.alone.setting import Setting
from benchmarks.report import Figure
from tests.support.tiny_gguf import Shape, write_tiny_gguf
from wiz_kernel_ext.engine.backend import ContextParameters, LoadParameters
from wiz_kernel_ext.engine.engine import Engine
from wiz_kernel_ext.engine.llama.backend import LlamaBackend
from wiz_kernel_ext.engine.sequence import Listener
from wiz_kernel_ext.protocol.options import PromptOptions

N_PROMPTS, N_SHARED, N_OWN, N_ANSWERED = 64, 2000, 2000, 100
BATCH_SIZE = 512
TOKEN = ord("a")


def run(setting: Setting) -> list[Figure]:
    """Read all of them and answer, once a round."""
    n_prompts = 4 if setting.is_brief else N_PROMPTS
    means, longest = [], []
    for _ in range(setting.n_rounds):
        steps_ms = _steps_ms(n_prompts)
        means.append(sum(steps_ms) / len(steps_ms))
        longest.append(max(steps_ms))
    name = f"Python of a step, {n_prompts} prompts of {N_SHARED + N_OWN:,} tokens sharing half"
    return [Figure(name, means, "ms", "≤ 1"), Figure("… the longest step", longest, "ms")]


def _steps_ms(n_prompts: int) -> list[float]:
    with TemporaryDirectory() as folder, _engine(Path(folder), n_prompts) as engine:
        common = [5 + i % 200 for i in range(N_SHARED)]
        nobody = Listener(on_event=_heard, on_end=_heard)
        options = PromptOptions(temperature=0, max_tokens=N_ANSWERED, allow_repeats=True)
        for n in range(n_prompts):
            own = [5 + (7 * i + n) % 211 for i in range(N_OWN)]
            engine.submit([*common, 300 + n, *own], options, nobody)
        took = []
        while engine.is_busy:
            started = time.perf_counter()
            engine.step()
            took.append(1000 * (time.perf_counter() - started))
        return took


@contextmanager
def _engine(folder: Path, n_prompts: int) -> Iterator[Engine]:
    """An engine with room for all, whose context computes nothing."""
    context_size = N_SHARED + N_OWN + N_ANSWERED + 64
    shape = replace(Shape(), n_layers=1, n_ctx_train=context_size)
    model = LlamaBackend().load(
        str(write_tiny_gguf(folder / "tiny.gguf", shape)), LoadParameters(), lambda done: True
    )
    context: Any = model.create_context(
        ContextParameters(
            pool_size=n_prompts * context_size,
            sequence_ids=2 * n_prompts,
            batch_size=BATCH_SIZE,
            threads=1,
        )
    )
    decode = llama_cpp.llama_decode
    llama_cpp.llama_decode = lambda *_: 0
    context.sample = lambda sampler, row: TOKEN
    context.lead = lambda row: float("inf")
    try:
        yield Engine(
            model,
            context,
            context_size=context_size,
            slots=n_prompts,
            sequence_ids=2 * n_prompts,
            batch_size=BATCH_SIZE,
            seed=0,
            clock=time.perf_counter,
        )
    finally:
        llama_cpp.llama_decode = decode
        context.close()
        model.close()


def _heard(_: Any) -> None:
    """Nobody listens."""
