"""A long prompt that was read before the model was unloaded, or the service ended."""

from __future__ import annotations

import random
import time

from benchmarks.engine.alone.setting import Setting, asking, greedy
from benchmarks.engine.works import text
from benchmarks.report import Figure
from tests.support.homes import Home
from wiz_kernel_ext.client import Client

N_TOKENS, N_TOKENS_BRIEF = 1500, 200
SETTLE_S = 2.0
"""So that what is kept when nobody asks has been kept."""
GOAL = "≤ 0.125"


def run(setting: Setting) -> list[Figure]:
    """Each way of returning once a round, against reading the same prompt cold."""
    unloaded, restarted = [], []
    chance = random.Random()
    n_tokens = N_TOKENS_BRIEF if setting.is_brief else N_TOKENS
    settle_s = 0.0 if setting.is_brief else SETTLE_S
    home = Home.make()
    try:
        for _ in range(setting.n_rounds):
            prompt = text(chance, n_tokens)
            with asking(home) as client:
                _load(client, setting)
                cold_s = _first_s(client, prompt)
                time.sleep(settle_s)
                client.unload_model()
                _load(client, setting)
                unloaded.append(_first_s(client, prompt) / cold_s)
                time.sleep(settle_s)
                client.stop()
            with asking(home) as client:
                _load(client, setting)
                restarted.append(_first_s(client, prompt) / cold_s)
    finally:
        home.close()
    return [
        Figure(
            f"first token after unload and load ÷ cold, {n_tokens:,} tokens", unloaded, "×", GOAL
        ),
        Figure("… after a restart of the service ÷ cold", restarted, "×", GOAL),
    ]


def _load(client: Client, setting: Setting) -> None:
    client.load(str(setting.model), chat_template="raw")


def _first_s(client: Client, prompt: str) -> float:
    asked = time.perf_counter()
    operation = client.send_prompt(prompt, messages=[], **greedy(4))
    next(iter(operation), None)
    first_s = time.perf_counter() - asked
    operation.result()
    return first_s
