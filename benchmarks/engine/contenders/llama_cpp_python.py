"""llama-cpp-python's high-level `Llama`: one text after another, its last prompt kept."""

from __future__ import annotations

import time
from typing import Any

from llama_cpp import Llama

from benchmarks.engine.contenders.serving import serve


class HighLevel:
    """As its documentation shows it."""

    def __init__(self, setup: dict[str, Any]) -> None:
        self._llama = Llama(
            setup["model"],
            n_ctx=setup["n_ctx"],
            n_threads=setup["n_threads"],
            n_threads_batch=setup["n_threads"],
            n_gpu_layers=-1 if setup["gpu"] else 0,
            flash_attn=setup["gpu"],
            verbose=False,
        )

    def answer(self, texts: list[str], n: int, limit_s: float) -> dict[str, float]:
        """One after another; each piece that comes is a token."""
        started = time.perf_counter()
        first_s, n_tokens = 0.0, 0
        for text in texts:
            n_pieces, is_whole = 0, False
            for piece in self._llama(text, max_tokens=n, temperature=0.0, stream=True):
                first_s = first_s or time.perf_counter() - started
                n_pieces += 1
                is_whole = piece["choices"][0]["finish_reason"] == "length"
                if time.perf_counter() - started > limit_s:
                    break
            # Tokens that end inside a character come as one piece.
            n_tokens += n if is_whole else n_pieces
        return {"first_s": first_s, "seconds": time.perf_counter() - started, "n_tokens": n_tokens}


if __name__ == "__main__":
    serve(HighLevel)
