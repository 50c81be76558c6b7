"""The rival: a plain loop over llama.cpp's low-level API, greedy, with nothing around it.

`python -m benchmarks.raw_loop MODEL N_CTX N_SEQUENCES FLASH`: for each line of JSON on standard
input, a `{"texts": […], "n": …}`, answers them all at once, their common beginning read once, and
prints `{"first_s": …, "seconds": …, "n_tokens": …}`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence

import llama_cpp as c

from wiz_kernel_ext.engine.radix_tree import common_prefix

N_BATCH = 512


class RawLoop:
    """One context, filled anew for each job."""

    def __init__(self, model: str, n_ctx: int, n_sequences: int, *, flash: bool) -> None:
        c.llama_backend_init()
        self._model = c.llama_model_load_from_file(model.encode(), c.llama_model_default_params())
        self._vocab = c.llama_model_get_vocab(self._model)
        params = c.llama_context_default_params()
        params.n_ctx, params.n_seq_max = n_ctx, n_sequences
        params.n_batch = params.n_ubatch = N_BATCH
        params.n_threads = params.n_threads_batch = os.cpu_count() or 1
        params.flash_attn_type = int(flash)
        params.kv_unified = True
        self._context = c.llama_init_from_model(self._model, params)
        self._memory = c.llama_get_memory(self._context)
        self._batch = c.llama_batch_init(N_BATCH, 0, 1)
        self._sampler = c.llama_sampler_init_greedy()
        self._n_sequences = n_sequences

    def _tokens(self, text: str) -> list[int]:
        data = text.encode()
        tokens = (c.llama_token * (len(data) + 8))()
        n = c.llama_tokenize(self._vocab, data, len(data), tokens, len(tokens), False, False)
        return list(tokens[:n])

    def _decode(self, rows: Sequence[tuple[int, int, int, bool]]) -> None:
        batch = self._batch
        batch.n_tokens = len(rows)
        for i, (sequence, position, token, wanted) in enumerate(rows):
            batch.token[i], batch.pos[i], batch.logits[i] = token, position, wanted
            batch.n_seq_id[i], batch.seq_id[i][0] = 1, sequence
        assert c.llama_decode(self._context, batch) == 0

    def run(self, texts: list[str], n: int) -> dict[str, float]:
        """Answer `texts` with `n` tokens each, as many at once as there are sequences."""
        started = time.perf_counter()
        first_s, prompts = 0.0, [self._tokens(text) for text in texts]
        common = min((common_prefix(prompts[0], other) for other in prompts[1:]), default=0)
        for begin in range(0, len(prompts), self._n_sequences):
            self._answer(prompts[begin : begin + self._n_sequences], common, n)
            first_s = first_s or self._first_at - started
        seconds = time.perf_counter() - started
        return {"first_s": first_s, "seconds": seconds, "n_tokens": n * len(texts)}

    def _answer(self, prompts: list[list[int]], common: int, n: int) -> None:
        c.llama_memory_clear(self._memory, False)
        for at in range(0, common, N_BATCH):
            part = prompts[0][at : min(common, at + N_BATCH)]
            self._decode([(0, at + i, token, False) for i, token in enumerate(part)])
        for sequence in range(1, len(prompts)):
            c.llama_memory_seq_cp(self._memory, 0, sequence, 0, common)
        latest = []
        for sequence, prompt in enumerate(prompts):
            for at in range(common, len(prompt), N_BATCH):
                part = prompt[at : at + N_BATCH]
                last = len(prompt) - 1 - at
                self._decode([(sequence, at + i, t, i == last) for i, t in enumerate(part)])
            latest.append(c.llama_sampler_sample(self._sampler, self._context, -1))
        self._first_at = time.perf_counter()
        for step in range(n - 1):
            self._decode(
                [(s, len(prompts[s]) + step, token, True) for s, token in enumerate(latest)]
            )
            latest = [
                c.llama_sampler_sample(self._sampler, self._context, row)
                for row in range(len(latest))
            ]


def main() -> None:
    """Answer until standard input ends."""
    model, n_ctx, n_sequences, flash = sys.argv[1:5]
    loop = RawLoop(model, int(n_ctx), int(n_sequences), flash=flash == "1")
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(loop.run(**json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
