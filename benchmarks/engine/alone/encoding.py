"""The longest gap in an answer while somebody else's prompt of a megabyte is made into tokens."""

from __future__ import annotations

import random
import time
from contextlib import suppress
from itertools import pairwise

from benchmarks.engine.alone.setting import Setting, asking, greedy
from benchmarks.engine.works import WORDS, text
from benchmarks.report import Figure
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.errors import ContextOverflow

N_CHARACTERS = 1_000_000
N_TOKENS, N_TOKENS_BRIEF = 240, 40


def run(setting: Setting) -> list[Figure]:
    """An answer by itself, then one beside such a prompt, which no context is long enough for."""
    chance = random.Random()
    huge = " ".join(chance.choices(WORDS, k=N_CHARACTERS // 5))[:N_CHARACTERS]
    alone, beside = [], []
    with asking() as client:
        client.load(str(setting.model), chat_template="raw")
        n_tokens = N_TOKENS_BRIEF if setting.is_brief else N_TOKENS
        _longest_gap_s(client, chance, n_tokens)
        for _ in range(setting.n_rounds):
            alone.append(_longest_gap_s(client, chance, n_tokens))
            beside.append(_longest_gap_s(client, chance, n_tokens, huge))
    ratios = [b / a for a, b in zip(alone, beside, strict=True)]
    return [
        Figure("longest gap of an answer", [1000 * s for s in alone], "ms"),
        Figure("… while 1 MB is encoded beside it ÷ by itself", ratios, "×", "≤ 1.3"),
    ]


def _longest_gap_s(
    client: Client, chance: random.Random, n_tokens: int, other: str | None = None
) -> float:
    """Seconds between two pieces of text; `other` is sent when the first has come."""
    operation = client.send_prompt(text(chance, 30), messages=[], **greedy(n_tokens))
    refused = None
    came = []
    for _ in operation:
        came.append(time.perf_counter())
        if other is not None and refused is None:
            refused = client.send_prompt(other, messages=[], **greedy(1))
    if refused is not None:
        with suppress(ContextOverflow):
            refused.result()
    return max(b - a for a, b in pairwise(came))
