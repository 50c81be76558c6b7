"""Eight prompts at once against the same eight one after another, on the demo model."""

from __future__ import annotations

import time

from benchmarks.report import Figure
from tests.support.homes import Home
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.protocol.answer import Answer

PROMPTS = [f"Count from 1 to {n}." for n in range(92, 100)]
N_TOKENS = 200


def run(n_rounds: int) -> list[Figure]:
    """Tokens per second in all, one at a time and together."""
    home = Home.make()
    clients = [Client(home.settings) for _ in PROMPTS]
    alone: list[float] = []
    together: list[float] = []
    try:
        for client in clients:
            client.load_model("demo")
            client.create_context()
            client.initialize_session()
        for _ in range(n_rounds + 1):
            started = time.perf_counter()
            answers = [
                client.prompt(text, temperature=0, max_tokens=N_TOKENS, messages=[])
                for client, text in zip(clients, PROMPTS, strict=True)
            ]
            alone.append(_rate(answers, started))
            started = time.perf_counter()
            operations = [
                client.send_prompt(text, temperature=0, max_tokens=N_TOKENS, messages=[])
                for client, text in zip(clients, PROMPTS, strict=True)
            ]
            together.append(_rate([operation.result() for operation in operations], started))
    finally:
        for client in clients:
            client.close()
        home.close()
    ratios = [b / a for a, b in zip(alone[1:], together[1:], strict=True)]
    return [
        Figure("one at a time, demo model", alone[1:], "tokens/s"),
        Figure("eight at once", together[1:], "tokens/s"),
        Figure("eight at once / one at a time", ratios, "×", "> 1.5"),
    ]


def _rate(answers: list[Answer], started: float) -> float:
    n_tokens = sum(answer.usage.n_tokens for answer in answers)
    return n_tokens / (time.perf_counter() - started)
