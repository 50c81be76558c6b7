"""xllamacpp: llama.cpp's server engine in this process, asked from a thread for each text."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import xllamacpp

from benchmarks.engine.contenders.serving import serve

N_SLOTS = 8


class Server:
    """As many slots as the widest work has streams, over one memory as large as the others'."""

    def __init__(self, setup: dict[str, Any]) -> None:
        params = xllamacpp.CommonParams()
        params.model.path = setup["model"]
        params.n_ctx = setup["n_ctx"]
        params.n_parallel = max(N_SLOTS, setup["n_streams"])
        params.kv_unified = True
        params.n_gpu_layers = -1 if setup["gpu"] else 0
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = setup["n_threads"]
        params.verbosity = 0
        self._server = xllamacpp.Server(params)

    def answer(self, texts: list[str], n: int, limit_s: float) -> dict[str, float]:
        """All at once; the server queues what it has no slot for."""
        started = time.perf_counter()

        def one(text: str) -> tuple[float, int]:
            first_s, n_tokens = 0.0, 0

            def on_chunk(chunk: Any) -> bool:
                nonlocal first_s, n_tokens
                now_s = time.perf_counter() - started
                first_s = first_s or now_s
                n_tokens = max(n_tokens + 1, _n_predicted(chunk))
                return now_s > limit_s

            request = {"prompt": text, "max_tokens": n, "temperature": 0, "stream": True}
            self._server.handle_completions(request, on_chunk)
            return first_s, min(n_tokens, n)

        with ThreadPoolExecutor(len(texts)) as pool:
            ran = list(pool.map(one, texts))
        seconds = time.perf_counter() - started
        return {
            "first_s": ran[0][0],
            "seconds": seconds,
            "n_tokens": sum(n_tokens for _, n_tokens in ran),
        }


def _n_predicted(chunk: Any) -> int:
    """What a last chunk says of all of them."""
    timings = chunk.get("timings") if isinstance(chunk, dict) else None
    return int(timings["predicted_n"]) if timings else 0


if __name__ == "__main__":
    serve(Server)
