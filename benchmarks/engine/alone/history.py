"""A long conversation: what a turn late in it waits for, against one early in it."""

from __future__ import annotations

import random
import time
from statistics import median

from benchmarks.engine.alone.setting import Setting, asking, greedy
from benchmarks.engine.works import text
from benchmarks.report import Figure
from wiz_kernel_ext.client import Client

N_TURNS, N_TURNS_BRIEF = 100, 8
N_ASKED, N_ANSWERED = 60, 12
"""Tokens of a turn: with the template's about 80, and so 8k in a hundred turns."""
N_CTX = 10_240


def run(setting: Setting) -> list[Figure]:
    """One conversation for each round; early is the median of turns 2 to 4, late of the last 3."""
    n_turns = N_TURNS_BRIEF if setting.is_brief else N_TURNS
    ratios, lengths = [], []
    chance = random.Random()
    with asking() as client:
        client.load(str(setting.model), context_size=N_CTX, chat_template="chatml")
        for number in range(setting.n_rounds):
            client.open_session(f"history-{number}")
            took = [_turn(client, f"history-{number}", chance) for _ in range(n_turns)]
            early, late = [s for s, _ in took[1:4]], [s for s, _ in took[-3:]]
            ratios.append(median(late) / median(early))
            lengths.append(float(took[-1][1]))
    name = f"first token of turn {n_turns}, with {median(lengths):,.0f} tokens before it ÷ turn 2"
    return [Figure(name, ratios, "×", "≤ 2")]


def _turn(client: Client, session: str, chance: random.Random) -> tuple[float, int]:
    """Seconds to the first text, and the tokens of the whole prompt."""
    asked = time.perf_counter()
    operation = client.send_prompt(text(chance, N_ASKED), session=session, **greedy(N_ANSWERED))
    next(iter(operation), None)
    first_s = time.perf_counter() - asked
    return first_s, operation.result().usage.n_prompt_tokens
