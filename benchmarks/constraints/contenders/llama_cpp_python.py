"""llama-cpp-python's `Llama` with the grammar that it makes of a schema, one ask after another."""

from __future__ import annotations

import json
import time
from typing import Any

from llama_cpp import Llama, LlamaGrammar

from benchmarks.engine.contenders.serving import serve


class HighLevel:
    """As its documentation shows it."""

    def __init__(self, setup: dict[str, Any]) -> None:
        self._llama = Llama(
            setup["model"],
            n_ctx=setup["n_ctx"],
            n_threads=setup["n_threads"],
            n_threads_batch=setup["n_threads"],
            verbose=False,
        )

    def answer(self, asks: list[dict[str, Any]]) -> dict[str, Any]:
        """One after another."""
        started = time.perf_counter()
        answers = [self._one(ask) for ask in asks]
        return {"answers": answers, "seconds": time.perf_counter() - started}

    def _one(self, ask: dict[str, Any]) -> dict[str, Any]:
        started = time.perf_counter()
        grammar = None
        if ask["schema"] is not None:
            try:
                grammar = LlamaGrammar.from_json_schema(json.dumps(ask["schema"]), verbose=False)
            except Exception as error:  # whatever comes of it is its refusal
                return {"refusal": f"{type(error).__name__}: {error}"}
        first_s, n_pieces, text, finish = 0.0, 0, "", None
        pieces = self._llama(
            ask["text"],
            max_tokens=ask["n"],
            temperature=ask["temperature"],
            seed=ask["seed"],
            grammar=grammar,
            stream=True,
        )
        for piece in pieces:
            first_s = first_s or time.perf_counter() - started
            n_pieces += 1
            text += piece["choices"][0]["text"]
            finish = piece["choices"][0]["finish_reason"]
        n_tokens = ask["n"] if finish == "length" else n_pieces
        return {
            "text": text,
            "is_whole": finish == "stop",
            "first_s": first_s,
            "n_tokens": n_tokens,
        }


if __name__ == "__main__":
    serve(HighLevel)
