"""How sampling options become a chain of samplers: which stages, in which order, with what numbers.

Order and defaults are llama.cpp's own (common/sampling.cpp): bias, penalties, DRY, top-k, typical,
top-p, min-p, XTC, temperature, pick. Knows no library; `llama.py` makes each stage by its name.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.protocol.options import PromptOptions

DEFAULTS = PromptOptions(
    temperature=0.8,
    top_k=40,
    top_p=0.95,
    min_p=0.05,
    typical_p=1.0,
    repeat_penalty=1.0,
    repeat_last_n=64,
    presence_penalty=0.0,
    frequency_penalty=0.0,
    dry_multiplier=0.0,
    dry_base=1.75,
    dry_allowed_length=2,
    dry_penalty_last_n=64,
    xtc_probability=0.0,
    xtc_threshold=0.1,
    mirostat=0,
    mirostat_tau=5.0,
    mirostat_eta=0.1,
)
MIROSTAT_CANDIDATES = 100


class Stage(NamedTuple):
    """One sampler of a chain: llama.cpp's name for it and its numbers, in its order."""

    name: str
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Sampling:
    """A prompt's sampling: the chain, and how many tokens before the answer it looks back on."""

    stages: tuple[Stage, ...]
    n_lookback: int


def plan_sampling(
    options: PromptOptions,
    *,
    seed: int,
    context_size: int,
    n_vocab: int,
    token_of: Callable[[str], int | None],
) -> Sampling:
    """The chain that `options` ask for; `seed` is used where they name none.

    `token_of` is the single token with a text, or None. Raises BadRequest for a bias on a token
    there is not.
    """
    o = options.over(DEFAULTS)
    assert o.temperature is not None
    seed = seed if o.seed is None else o.seed
    stages: list[Stage] = []
    if bias := _biases(o.logit_bias or {}, n_vocab, token_of):
        stages.append(Stage("logit_bias", (bias,)))
    n_repeat = context_size if o.repeat_last_n == -1 else o.repeat_last_n or 0
    n_dry = context_size if o.dry_penalty_last_n == -1 else o.dry_penalty_last_n or 0
    penalties = (o.repeat_penalty, o.frequency_penalty, o.presence_penalty)
    n_lookback = 0
    if n_repeat and penalties != (1.0, 0.0, 0.0):
        stages.append(Stage("penalties", (n_repeat, *penalties)))
        n_lookback = n_repeat
    if n_dry and o.dry_multiplier:
        stages.append(Stage("dry", (o.dry_multiplier, o.dry_base, o.dry_allowed_length, n_dry)))
        n_lookback = max(n_lookback, n_dry)
    return Sampling((*stages, *_picking(o, seed)), n_lookback)


def _picking(o: PromptOptions, seed: int) -> list[Stage]:
    """The stages after the penalties: what narrows the choice, and what picks."""
    if o.temperature == 0:
        return [Stage("greedy")]
    temperature = Stage("temp", (o.temperature,))
    if o.mirostat == 1:
        numbers = (seed, o.mirostat_tau, o.mirostat_eta, MIROSTAT_CANDIDATES)
        return [temperature, Stage("mirostat", numbers)]
    if o.mirostat == 2:
        return [temperature, Stage("mirostat_v2", (seed, o.mirostat_tau, o.mirostat_eta))]
    stages = []
    if o.top_k:
        stages.append(Stage("top_k", (o.top_k,)))
    if o.typical_p != 1.0:
        stages.append(Stage("typical", (o.typical_p,)))
    if o.top_p != 1.0:
        stages.append(Stage("top_p", (o.top_p,)))
    if o.min_p:
        stages.append(Stage("min_p", (o.min_p,)))
    if o.xtc_probability:
        stages.append(Stage("xtc", (o.xtc_probability, o.xtc_threshold, seed)))
    return [*stages, temperature, Stage("dist", (seed,))]


def _biases(
    asked: dict[str, float], n_vocab: int, token_of: Callable[[str], int | None]
) -> tuple[tuple[int, float], ...]:
    """Token ids and their biases, in logits."""
    biases = []
    for key, bias in asked.items():
        token = int(key) if key.isascii() and key.isdigit() else token_of(key)
        if token is None or token >= n_vocab:
            raise BadRequest(
                f"{key!r} in logitBias is not a token of this model (logitBias).",
                hint="Give a token id as text, or a text that is exactly one token.",
                field="logitBias",
            )
        if math.isnan(bias) or bias == math.inf:
            raise BadRequest(f"The bias of {key!r} is not a number.", field="logitBias")
        biases.append((token, bias))
    return tuple(biases)
