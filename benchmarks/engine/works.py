"""What is asked of every contender, and what is made of the answers.

A work is a few asks, one after another, of which its measures are taken. Every text begins with a
number nobody has seen, so that nothing is found in a cache but what the work itself put there.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

WORDS = ["notebook", "answer", "the", "of", "model", "reads", "a", "long", "and", "line", "what"]
TOKENS_PER_WORD = 3.6
N_CORES = os.cpu_count() or 1


@dataclass(frozen=True, kw_only=True)
class Ask:
    """Texts to answer at once, greedily, with `n` tokens each; none is in a chat template.

    `busy` processes take a core each meanwhile. `restarted` asks it of a new client process.
    After `limit_s` what there is counts, and the rest is left.
    """

    texts: list[str]
    n: int
    busy: int = 0
    restarted: bool = False
    limit_s: float = 120.0


@dataclass(frozen=True, kw_only=True)
class Ran:
    """How an ask went: seconds to the first text's first token, and to the last of all."""

    first_s: float
    seconds: float
    n_tokens: int
    n_texts: int = 1
    load_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One line of the table. The goals are speeds: of the better raw loop, of the best peer.

    `at_least` or `at_most` is a goal in the measure's own unit.
    """

    name: str
    unit: str
    take: Callable[[Sequence[Ran]], float]
    """ZeroDivisionError where an answer of a token or two says nothing."""
    times_raw: float | None = None
    times_peers: float | None = None
    at_least: float | None = None
    at_most: float | None = None

    @property
    def is_time(self) -> bool:
        """Whether less is better."""
        return self.unit == "s"


@dataclass(frozen=True)
class Work:
    """A name, how its asks are drawn, and its measures."""

    name: str
    draw: Callable[[random.Random], list[Ask]]
    measures: Sequence[Measure]


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Lengths in tokens, and counts."""

    one: int = 160
    cold: int = 512
    long: int = 1500
    streams: Sequence[int] = (8,)
    stream: int = 64
    rows: int = 60
    shared: int = 300
    busy_limit_s: float = 3.0


FULL = Sizes()
BRIEF = Sizes(one=8, cold=40, long=120, stream=4, rows=6, shared=30, busy_limit_s=0.3)
CARD = Sizes(one=256, cold=4000, streams=(8, 64), stream=128)


def text(chance: random.Random, n_tokens: int) -> str:
    """About so many tokens that nobody has read before."""
    n_words = max(1, round(n_tokens / TOKENS_PER_WORD))
    return f"{chance.random()} " + " ".join(chance.choices(WORDS, k=n_words))


def after_first(ran: Ran) -> float:
    """Tokens per second once the first is there."""
    return max(ran.n_tokens - 1, 0) / max(ran.seconds - ran.first_s, 1e-6)


def in_all(ran: Ran) -> float:
    """Tokens per second, reading included."""
    return ran.n_tokens / ran.seconds


def on_cores(sizes: Sizes = FULL) -> list[Work]:
    """The works of a machine without a card."""
    return [_one(sizes), _busy(sizes), _cold(sizes), _long(sizes), *_streams(sizes), _rows(sizes)]


def on_a_card(sizes: Sizes = CARD) -> list[Work]:
    """The works of a card."""
    return [_one(sizes, 0.95), _cold(sizes, 0.95), *_streams(sizes, 0.85)]


def _one(sizes: Sizes, goal: float = 0.97) -> Work:
    def draw(chance: random.Random) -> list[Ask]:
        return [Ask(texts=[text(chance, 30)], n=sizes.one)]

    take = Measure(
        name="one stream", unit="tokens/s", take=lambda ran: after_first(ran[0]), times_raw=goal
    )
    return Work("one", draw, [take])


def _busy(sizes: Sizes) -> Work:
    """The share of the idle speed that is left beside programs that compute all the time."""
    kept = {1: 0.75, N_CORES: 0.5} if N_CORES > 1 else {1: 0.5}

    def draw(chance: random.Random) -> list[Ask]:
        idle = Ask(texts=[text(chance, 30)], n=sizes.one)
        return [
            idle,
            *(
                replace(idle, texts=[text(chance, 30)], busy=busy, limit_s=sizes.busy_limit_s)
                for busy in kept
            ),
        ]

    def share(at: int) -> Callable[[Sequence[Ran]], float]:
        return lambda ran: after_first(ran[at]) / after_first(ran[0])

    measures = [
        Measure(
            name=f"kept with {busy} of {N_CORES} cores busy",
            unit="of idle",
            take=share(at),
            at_least=goal,
        )
        for at, (busy, goal) in enumerate(kept.items(), 1)
    ]
    return Work("busy", draw, measures)


def _cold(sizes: Sizes, goal: float = 1 / 1.03) -> Work:
    def draw(chance: random.Random) -> list[Ask]:
        return [Ask(texts=[text(chance, sizes.cold)], n=2)]

    name = f"cold {sizes.cold:,} tokens to the first"
    return Work(
        "cold",
        draw,
        [Measure(name=name, unit="s", take=lambda ran: ran[0].first_s, times_raw=goal)],
    )


def _long(sizes: Sizes) -> Work:
    """A long prompt: read, its last line edited, and asked once more by a new client."""

    def draw(chance: random.Random) -> list[Ask]:
        beginning = text(chance, sizes.long)
        first, second = f"{beginning}\n{text(chance, 12)}", f"{beginning}\n{text(chance, 12)}"
        return [
            Ask(texts=[first], n=2),
            Ask(texts=[second], n=2),
            Ask(texts=[second], n=2, restarted=True),
        ]

    return Work(
        "long",
        draw,
        [
            Measure(
                name=f"cold {sizes.long:,} tokens to the first",
                unit="s",
                take=lambda ran: ran[0].first_s,
                times_raw=1 / 1.03,
            ),
            Measure(
                name="the last line of it edited",
                unit="s",
                take=lambda ran: ran[1].first_s,
                times_peers=1.0,
            ),
            Measure(
                name="client restarted, first token of it",
                unit="s",
                take=lambda ran: ran[2].load_s + ran[2].first_s,
                at_most=0.1,
            ),
        ],
    )


def _streams(sizes: Sizes, goal: float = 0.97) -> list[Work]:
    def work(n_streams: int) -> Work:
        def draw(chance: random.Random) -> list[Ask]:
            return [Ask(texts=[text(chance, 30) for _ in range(n_streams)], n=sizes.stream)]

        measure = Measure(
            name=f"{n_streams} streams",
            unit="tokens/s",
            take=lambda ran: in_all(ran[0]),
            times_raw=goal,
            times_peers=1.1,
        )
        return Work(f"streams{n_streams}", draw, [measure])

    return [work(n_streams) for n_streams in sizes.streams]


def _rows(sizes: Sizes) -> Work:
    def draw(chance: random.Random) -> list[Ask]:
        beginning = text(chance, sizes.shared)
        texts = [f"{beginning} Row {n}: {text(chance, 12)}" for n in range(sizes.rows)]
        return [Ask(texts=texts, n=16)]

    measure = Measure(
        name=f"{sizes.rows} rows sharing {sizes.shared} tokens",
        unit="rows/s",
        take=lambda ran: ran[0].n_texts / ran[0].seconds,
        times_raw=1.0,
        times_peers=1.5,
    )
    return Work("rows", draw, [measure])
