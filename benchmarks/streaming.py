"""What service, comms and kernel cost: one model in-process and from a notebook cell, in turns.

A random-weight model of about 135 M parameters, greedy, so that both sides compute the same.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.report import Figure
from tests.support.homes import Home
from tests.support.kernels import Kernel
from tests.support.tiny_gguf import SMALL_135M, write_tiny_gguf
from wiz_kernel_ext.engine.environment import worker_environment

N_TOKENS = 200
PROMPT = "Write about what you see, at length."


class InProcess:
    """The engine in one process with its reader."""

    def __init__(self, model: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.in_process", str(model)],
            env=worker_environment(os.environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._line()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def measure(self) -> tuple[float, float]:
        """Seconds to the first text, and tokens per second after it."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{N_TOKENS} {PROMPT}\n")
        self._process.stdin.flush()
        first_s, rate = self._line().split()
        return float(first_s), float(rate)

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()


def measure_cell(kernel: Kernel) -> tuple[float, float]:
    """Seconds from sending a cell to its first text, and tokens per second until it has ended."""
    started = time.perf_counter()
    cell = kernel.run(
        f"%%wiz_prompt --new --temperature 0 --max-tokens {N_TOKENS} -o answer\n{PROMPT}"
    )
    ended = time.perf_counter()
    assert cell.status == "ok" and cell.first_text_s is not None, cell
    n_tokens = kernel.value("answer.usage.n_tokens")
    return cell.first_text_s, (n_tokens - 1) / (ended - started - cell.first_text_s)


def run(n_rounds: int) -> list[Figure]:
    """Both sides, in turn, after one round that is not counted."""
    home = Home.make()
    model = write_tiny_gguf(home.folder / "random-135m.gguf", SMALL_135M)
    kernel, alone = Kernel(home.environment), InProcess(model)
    here: list[tuple[float, float]] = []
    there: list[tuple[float, float]] = []
    try:
        loaded = kernel.run(f"%load_ext wiz_kernel_ext\n%wiz_load {model}", timeout_s=120)
        assert loaded.status == "ok", loaded
        for _ in range(n_rounds + 1):
            here.append(alone.measure())
            there.append(measure_cell(kernel))
    finally:
        kernel.close()
        alone.close()
        home.close()
    pairs = list(zip(here[1:], there[1:], strict=True))
    return [
        Figure("in-process, 135 M parameters", [rate for _, rate in here[1:]], "tokens/s"),
        Figure("from a notebook cell", [rate for _, rate in there[1:]], "tokens/s"),
        Figure("notebook / in-process", [b[1] / a[1] for a, b in pairs], "×", "≥ 0.95"),
        Figure(
            "added time to the first text",
            [(b[0] - a[0]) * 1000 for a, b in pairs],
            "ms",
            "≤ 25 ms",
        ),
    ]
