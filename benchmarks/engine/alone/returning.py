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
N_ASKED = 12
"""Tokens of what is asked next."""
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
        for number in range(setting.n_rounds):
            # Of a conversation: what belongs to none is not kept.
            session = f"returning-{number}"
            with asking(home) as client:
                _load(client, setting)
                client.open_session(session)
                cold_s = _first_s(client, text(chance, n_tokens), session)
                time.sleep(settle_s)
                client.unload_model()
                _load(client, setting)
                unloaded.append(_first_s(client, text(chance, N_ASKED), session) / cold_s)
                time.sleep(settle_s)
                client.stop()
            with asking(home) as client:
                _load(client, setting)
                restarted.append(_first_s(client, text(chance, N_ASKED), session) / cold_s)
    finally:
        home.close()
    return [
        Figure(
            f"next turn after unload and load, first token ÷ cold, {n_tokens:,} tokens",
            unloaded,
            "×",
            GOAL,
        ),
        Figure("… after a restart of the service ÷ cold", restarted, "×", GOAL),
    ]


def _load(client: Client, setting: Setting) -> None:
    client.load(str(setting.model), chat_template="raw")


def _first_s(client: Client, prompt: str, session: str) -> float:
    asked = time.perf_counter()
    operation = client.send_prompt(prompt, session=session, **greedy(4))
    next(iter(operation), None)
    first_s = time.perf_counter() - asked
    operation.result()
    return first_s
