"""The engine through client, service and worker, against a plain loop over the same library.

A random-weight model of about 135 M parameters, greedy, rounds interleaved. The loop runs once
without flash attention, as the engine does, and once with it.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.report import Figure
from tests.support.homes import Home
from tests.support.tiny_gguf import SMALL_135M, write_tiny_gguf
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.engine.environment import worker_environment

N_CTX = 8192
N_SEQUENCES = 20
WORDS = ["notebook", "answer", "the", "of", "model", "reads", "a", "long", "and", "line", "what"]


class Rival:
    """The plain loop, in a process with a worker's environment."""

    def __init__(self, model: Path, *, flash: bool) -> None:
        arguments = [str(model), str(N_CTX), str(N_SEQUENCES), str(int(flash))]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.raw_loop", *arguments],
            env=worker_environment(os.environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip() == "ready"

    def run(self, texts: list[str], n: int) -> dict[str, float]:
        """What the loop measured of it."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps({"texts": texts, "n": n}) + "\n")
        self._process.stdin.flush()
        answered: dict[str, float] = json.loads(self._process.stdout.readline())
        return answered

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()


class Ours:
    """The service, asked as a program asks it."""

    def __init__(self, home: Home, model: Path) -> None:
        self._client = Client(home.settings)
        self._client.load(
            str(model), context_size=N_CTX // 2, sequences=N_SEQUENCES, chat_template="raw"
        )

    def run(self, texts: list[str], n: int) -> dict[str, float]:
        """The same as `Rival.run`; the first is the first text that was seen."""
        started = time.perf_counter()
        options: dict[str, Any] = {"temperature": 0, "max_tokens": n, "allow_repeats": True}
        operations = [self._client.send_prompt(t, messages=[], **options) for t in texts]
        next(iter(operations[0]))
        first_s = time.perf_counter() - started
        answers = [operation.result() for operation in operations]
        seconds = time.perf_counter() - started
        n_tokens = sum(answer.usage.n_tokens for answer in answers)
        return {"first_s": first_s, "seconds": seconds, "n_tokens": n_tokens}

    def close(self) -> None:
        """Let go of the connection."""
        self._client.close()


def _text(chance: random.Random, n_tokens: int) -> str:
    """About so many tokens that nobody has read before."""
    return f"{chance.random()} " + " ".join(chance.choices(WORDS, k=n_tokens * 10 // 36))


def _rate(ran: dict[str, float]) -> float:
    return ran["n_tokens"] / ran["seconds"]


def _speed(ran: dict[str, float]) -> float:
    return 1 / ran["first_s"]


def _after_first(ran: dict[str, float]) -> float:
    return (ran["n_tokens"] - 1) / (ran["seconds"] - ran["first_s"])


def run(n_rounds: int) -> list[Figure]:
    """Each kind of work in turn by all three, after a round that is not counted."""
    home = Home.make()
    model = write_tiny_gguf(home.folder / "random-135m.gguf", SMALL_135M)
    ours = Ours(home, model)
    rivals = {"plain": Rival(model, flash=False), "with flash attention": Rival(model, flash=True)}
    chance = random.Random(12)
    works: list[tuple[str, str, Callable[[], tuple[list[str], int]], Callable[..., float]]] = [
        ("one stream", "≥ 0.97", lambda: ([_text(chance, 30)], 200), _after_first),
        ("cold 512 tokens to the first", "≥ 0.97", lambda: ([_text(chance, 512)], 2), _speed),
        ("cold 1,500 tokens to the first", "≥ 0.97", lambda: ([_text(chance, 1500)], 2), _speed),
        (
            "eight streams",
            "≥ 0.97",
            lambda: ([_text(chance, 30) for _ in range(8)], 64),
            _rate,
        ),
        (
            "60 rows sharing 300 tokens",
            "≥ 1.0",
            lambda: (_rows(chance), 16),
            _rate,
        ),
    ]
    ratios: dict[tuple[str, str], list[float]] = {}
    own: dict[str, list[float]] = {}
    try:
        for number in range(n_rounds + 1):
            for name, _, job, measure in works:
                texts, n = job()
                mine = measure(ours.run(texts, n))
                theirs = {which: measure(rival.run(texts, n)) for which, rival in rivals.items()}
                if number:
                    own.setdefault(name, []).append(mine)
                    for which, value in theirs.items():
                        ratios.setdefault((name, which), []).append(mine / value)
    finally:
        ours.close()
        for rival in rivals.values():
            rival.close()
        home.close()
    figures = []
    for name, goal, _, measure in works:
        if measure is _speed:
            seconds = [1 / value for value in own[name]]
            figures.append(Figure(name, seconds, "s"))
        else:
            figures.append(Figure(name, own[name], "tokens/s"))
        figures += [
            Figure(f"… ÷ loop, {which}", ratios[name, which], "×", goal) for which in rivals
        ]
    return figures


def _rows(chance: random.Random) -> list[str]:
    beginning = _text(chance, 300)
    return [f"{beginning} Row {n}: {_text(chance, 12)}" for n in range(60)]
