"""Vectors of a thousand sentences: this project against llama-cpp-python's own, in turns.

Of a random chat model of SmolLM2's size and a random BERT (6 layers of 384), or of the models that
`WIZ_BENCH_EMBEDDING` names (paths, as in PATH). llama-cpp-python has the best of `BATCHES`; a ratio
is of the speeds within one round.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.report import Figure
from tests.support.tiny_bert import WORDS, BertShape, write_tiny_bert
from tests.support.tiny_gguf import SMALL_135M, write_tiny_gguf

N_TEXTS = int(os.environ.get("WIZ_BENCH_TEXTS", "1000"))
THREADS = os.environ.get("WIZ_BENCH_THREADS", "0")
BATCHES = (256, 512, 1024)
BERT = BertShape(n_layers=6, width=384, n_heads=12, n_ffn=1536, n_ctx_train=512, n_vocab=30_522)


class Contender:
    """A process that makes vectors of the texts in `file` each time it is told to."""

    def __init__(self, who: str, model: Path, batch: int, file: Path) -> None:
        self.who = who
        self.file = file
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "benchmarks.embedding_contender"),
                *(who, str(model), THREADS, str(batch), str(file)),
            ],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._line() == "ready"

    def seconds(self) -> float:
        """How long all texts took."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._line())

    def close(self) -> Any:
        """End the process; returns the vectors it made last."""
        self._process.communicate()
        return np.load(f"{self.file}.{self.who}.npy")

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def run(n_rounds: int) -> list[Figure]:
    """Every model, `n_rounds` times."""
    figures = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "texts.json"
        file.write_text(json.dumps(sentences(N_TEXTS)))
        named = os.environ.get("WIZ_BENCH_EMBEDDING", "").split(os.pathsep)
        models = [Path(path) for path in named if path] or [
            write_tiny_gguf(folder / "random-135M-Q8_0.gguf", SMALL_135M),
            write_tiny_bert(folder / "random-BERT-6x384.gguf", BERT),
        ]
        for model in models:
            figures += _compared(model, file, n_rounds)
    return figures


def sentences(n: int) -> list[str]:
    """Of 5 to 40 words."""
    chance = random.Random(1)
    return [" ".join(chance.choices(WORDS, k=chance.randint(5, 40))) + "." for _ in range(n)]


def _compared(model: Path, file: Path, n_rounds: int) -> list[Figure]:
    ours = Contender("ours", model, 0, file)
    others = [Contender("theirs", model, batch, file) for batch in BATCHES]
    speeds, of_each = [], [list[float]() for _ in others]
    for _ in range(n_rounds):
        taken = ours.seconds()
        speeds.append(N_TEXTS / taken)
        for other, found in zip(others, of_each, strict=True):
            found.append(other.seconds() / taken)
    # The best by its median: the quickest of three in each round would be the luckiest.
    ratios = min(of_each, key=median)
    vectors = ours.close()
    cosines = [_least_cosine(vectors, other.close()) for other in others]
    return [
        Figure(f"vectors, {model.stem}", speeds, "texts/s"),
        Figure(f"… of llama-cpp-python's best, {model.stem}", ratios, "×", "≥ 1.0"),
        Figure(f"… least cosine with its vectors, {model.stem}", cosines, "", "≥ 0.9999"),
    ]


def _least_cosine(found: Any, expected: Any) -> float:
    products = (found.astype(float) * expected.astype(float)).sum(axis=1)
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
    return float((products / lengths).min())
