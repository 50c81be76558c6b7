"""This project, asked as a program asks it: client, service and worker."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

from benchmarks.engine.contenders.serving import serve
from wiz_kernel_ext.client import Client, Operation


class Ours:
    """One client; the service lives on when its process ends."""

    def __init__(self, setup: dict[str, Any]) -> None:
        self._client = Client()
        card = {"gpu_layers": -1, "flash_attention": True} if setup["gpu"] else {}
        # The memory holds two conversations of full length: as many cells as the others have.
        self._client.load(
            setup["model"], context_size=setup["n_ctx"] // 2, chat_template="raw", **card
        )

    def answer(self, texts: list[str], n: int, limit_s: float) -> dict[str, float]:
        """All sent at once; what has not ended in time is cancelled."""
        started = time.perf_counter()
        options: dict[str, Any] = {"temperature": 0, "max_tokens": n, "allow_repeats": True}
        operations = [self._client.send_prompt(t, messages=[], **options) for t in texts]
        next(iter(operations[0]), None)
        first_s = time.perf_counter() - started
        n_tokens = 0
        for operation in operations:
            n_tokens += _ended(operation, started + limit_s).usage.n_tokens
        return {"first_s": first_s, "seconds": time.perf_counter() - started, "n_tokens": n_tokens}


def _ended(operation: Operation, deadline: float) -> Any:
    with suppress(TimeoutError):
        return operation.result(max(0.0, deadline - time.perf_counter()))
    operation.cancel()
    return operation.result()


if __name__ == "__main__":
    serve(Ours)
