"""This project, asked as a program asks it: client, service and worker."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.engine.contenders.serving import serve
from wiz_kernel_ext.client import Client, Operation
from wiz_kernel_ext.errors import BadRequest


class Ours:
    """One client; each ask is an operation of its own."""

    def __init__(self, setup: dict[str, Any]) -> None:
        self._client = Client()
        self._client.load(setup["model"], context_size=setup["n_ctx"] // 2, chat_template="raw")

    def answer(self, asks: list[dict[str, Any]]) -> dict[str, Any]:
        """All sent at once; the first token of the first is waited for as it comes."""
        started = time.perf_counter()
        sent = [self._sent(ask) for ask in asks]
        first_s = 0.0
        if isinstance(sent[0], Operation):
            try:
                next(iter(sent[0]), None)
                first_s = time.perf_counter() - started
            except BadRequest:
                pass  # the result says so again
        answers = [_ended(operation) for operation in sent]
        answers[0]["first_s"] = first_s
        return {"answers": answers, "seconds": time.perf_counter() - started}

    def _sent(self, ask: dict[str, Any]) -> Operation | BadRequest:
        options = {"schema": ask["schema"]} if ask["schema"] is not None else {}
        try:
            return self._client.send_prompt(
                ask["text"],
                messages=[],
                max_tokens=ask["n"],
                temperature=ask["temperature"],
                seed=ask["seed"],
                allow_repeats=True,
                **options,
            )
        except BadRequest as error:
            return error


def _ended(operation: Operation | BadRequest) -> dict[str, Any]:
    try:
        if isinstance(operation, BadRequest):
            raise operation
        answer = operation.result()
    except BadRequest as error:
        return {"refusal": f"{error} {error.hint} {error.details}"}
    return {
        "text": str(answer),
        "is_whole": not answer.incomplete and answer.finish_reason != "length",
        "n_tokens": answer.usage.n_tokens,
    }


if __name__ == "__main__":
    serve(Ours)
