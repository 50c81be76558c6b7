"""The rival: a plain loop over llama.cpp's low-level API, greedy, as fast as one can make it.

Prompts are packed into whole batches, what they have in common is read once, and what the first
shares with the last one read is kept. Nothing is detokenized. Which of the library's sampler and an
arg-max over the logits is faster here is tried when it is loaded.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import llama_cpp as c
import numpy as np

from benchmarks.engine.contenders.serving import serve
from wiz_kernel_ext.engine.radix_tree import common_prefix

Row = tuple[int, int, int, bool]
"""Sequence, position, token, whether its logits are wanted."""
N_BATCH = 2048
N_TRIES = 20


class RawLoop:
    """One context; sequence 0 holds `_held`, the tokens that were read last."""

    def __init__(self, setup: dict[str, Any]) -> None:
        c.llama_backend_init()
        model_params = c.llama_model_default_params()
        model_params.n_gpu_layers = -1 if setup["gpu"] else 0
        self._model = c.llama_model_load_from_file(setup["model"].encode(), model_params)
        self._vocab = c.llama_model_get_vocab(self._model)
        self._n_vocab = c.llama_vocab_n_tokens(self._vocab)
        params = c.llama_context_default_params()
        params.n_ctx, params.n_seq_max = setup["n_ctx"], setup["n_sequences"]
        params.n_batch = N_BATCH
        params.n_ubatch = N_BATCH if setup["gpu"] else params.n_ubatch
        params.n_threads = params.n_threads_batch = setup["n_threads"]
        params.flash_attn_type = int(setup["flash"])
        params.kv_unified = True
        self._context = c.llama_init_from_model(self._model, params)
        self._memory = c.llama_get_memory(self._context)
        self._batch = c.llama_batch_init(N_BATCH, 0, 1)
        self._sampler = c.llama_sampler_init_greedy()
        self._n_sequences: int = setup["n_sequences"]
        self._held: list[int] = []
        self._pick = self._faster_pick()

    def _faster_pick(self) -> Callable[[list[int]], list[int]]:
        self._decode([(0, 0, 0, True)])
        c.llama_memory_clear(self._memory, False)
        took = {pick: _seconds(pick) for pick in (self._by_arg_max, self._by_sampler)}
        return min(took, key=took.__getitem__)

    def _by_arg_max(self, rows: list[int]) -> list[int]:
        logits = c.llama_get_logits(self._context)
        table = np.ctypeslib.as_array(logits, (len(rows), self._n_vocab))
        picked: list[int] = table.argmax(axis=1).tolist()
        return picked

    def _by_sampler(self, rows: list[int]) -> list[int]:
        return [c.llama_sampler_sample(self._sampler, self._context, row) for row in rows]

    def _tokens(self, text: str) -> list[int]:
        data = text.encode()
        tokens = (c.llama_token * (len(data) + 8))()
        n = c.llama_tokenize(self._vocab, data, len(data), tokens, len(tokens), True, False)
        return list(tokens[:n])

    def _decode(self, rows: list[Row]) -> list[int]:
        """Compute `rows` (at most `N_BATCH`); those of them whose logits are there then."""
        batch = self._batch
        batch.n_tokens = len(rows)
        for i, (sequence, position, token, is_wanted) in enumerate(rows):
            batch.token[i] = token
            batch.pos[i] = position
            batch.n_seq_id[i] = 1
            batch.seq_id[i][0] = sequence
            batch.logits[i] = is_wanted
        if c.llama_decode(self._context, batch) != 0:
            raise RuntimeError("llama_decode failed")
        # The computing itself may go on meanwhile: it counts where it is done.
        return [i for i, row in enumerate(rows) if row[3]]

    def answer(self, texts: list[str], n: int, limit_s: float) -> dict[str, float]:
        """Answer `texts`, as many at once as there are sequences."""
        started = time.perf_counter()
        first_s, n_tokens = 0.0, 0
        prompts = [self._tokens(text) for text in texts]
        common = min((common_prefix(prompts[0], other) for other in prompts[1:]), default=0)
        for begin in range(0, len(prompts), self._n_sequences):
            wave = prompts[begin : begin + self._n_sequences]
            latest = self._read(wave, common)
            first_s = first_s or time.perf_counter() - started
            n_tokens += len(wave)
            for step in range(n - 1):
                if time.perf_counter() - started > limit_s:
                    break
                latest = self._pick(
                    self._decode(
                        [(s, len(wave[s]) + step, token, True) for s, token in enumerate(latest)]
                    )
                )
                n_tokens += len(wave)
        seconds = time.perf_counter() - started
        return {"first_s": first_s, "seconds": seconds, "n_tokens": n_tokens}

    def _read(self, prompts: list[list[int]], common: int) -> list[int]:
        """Read `prompts`, whose first `common` tokens are the same; the first token of each."""
        first = prompts[0]
        end = common if len(prompts) > 1 else len(first) - 1
        kept = min(common_prefix(first, self._held), end)
        for sequence in range(self._n_sequences):
            c.llama_memory_seq_rm(self._memory, sequence, kept if sequence == 0 else 0, -1)
        if len(prompts) > 1:
            self._run([(0, at, first[at], False) for at in range(kept, common)])
            for sequence in range(1, len(prompts)):
                c.llama_memory_seq_cp(self._memory, 0, sequence, 0, common)
            kept = common
        latest = self._run(
            [
                (sequence, at, prompt[at], at == len(prompt) - 1)
                for sequence, prompt in enumerate(prompts)
                for at in range(kept, len(prompt))
            ]
        )
        self._held = first
        return latest

    def _run(self, rows: list[Row]) -> list[int]:
        """Compute `rows` in whole batches; the tokens picked where logits are wanted."""
        picked: list[int] = []
        for begin in range(0, len(rows), N_BATCH):
            wanted = self._decode(rows[begin : begin + N_BATCH])
            picked += self._pick(wanted) if wanted else []
        return picked


def _seconds(pick: Callable[[list[int]], list[int]]) -> float:
    pick([0])
    started = time.perf_counter()
    for _ in range(N_TRIES):
        pick([0])
    return time.perf_counter() - started


if __name__ == "__main__":
    serve(RawLoop)
