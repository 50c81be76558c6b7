"""xllamacpp: llama.cpp's server engine in this process, told the schema with each request."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import xllamacpp

from benchmarks.engine.contenders.serving import serve

N_SLOTS = 8


class Server:
    """As many slots as there are streams at most."""

    def __init__(self, setup: dict[str, Any]) -> None:
        params = xllamacpp.CommonParams()
        params.model.path = setup["model"]
        params.n_ctx = setup["n_ctx"]
        params.n_parallel = N_SLOTS
        params.kv_unified = True
        params.n_gpu_layers = 0
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = setup["n_threads"]
        params.verbosity = 0
        self._server = xllamacpp.Server(params)

    def answer(self, asks: list[dict[str, Any]]) -> dict[str, Any]:
        """All at once."""
        started = time.perf_counter()
        with ThreadPoolExecutor(len(asks)) as pool:
            answers = list(pool.map(self._one, asks))
        return {"answers": answers, "seconds": time.perf_counter() - started}

    def _one(self, ask: dict[str, Any]) -> dict[str, Any]:
        started = time.perf_counter()
        first_s, n_tokens, text, finish = 0.0, 0, "", None

        def on_chunk(chunk: Any) -> bool:
            nonlocal first_s, n_tokens, text, finish
            chunks = chunk if isinstance(chunk, list) else [chunk]
            for one in chunks:
                if "error" in one or "message" in one:
                    raise RuntimeError(str(one))
                first_s = first_s or time.perf_counter() - started
                choice = one["choices"][0]
                text += choice.get("text") or ""
                finish = choice.get("finish_reason") or finish
                n_tokens = max(n_tokens + 1, int(one.get("timings", {}).get("predicted_n", 0)))
            return False

        request = {
            "prompt": ask["text"],
            "max_tokens": ask["n"],
            "temperature": ask["temperature"],
            "seed": ask["seed"],
            "stream": True,
        }
        if ask["schema"] is not None:
            request["json_schema"] = ask["schema"]
        try:
            self._server.handle_completions(request, on_chunk)
        except RuntimeError as error:
            return {"refusal": str(error)}
        return {
            "text": text,
            "is_whole": finish == "stop",
            "first_s": first_s,
            "n_tokens": min(n_tokens, ask["n"]),
        }


if __name__ == "__main__":
    serve(Server)
