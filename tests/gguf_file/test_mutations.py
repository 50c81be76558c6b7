"""Mutated headers: every one is read or refused, quickly and in little memory."""

from __future__ import annotations

import random
import time
import tracemalloc
from collections.abc import Callable

import pytest

from tests.support import gguf_bytes as g
from wiz_kernel_ext.errors import GgufInvalid
from wiz_kernel_ext.gguf_file.header import read_header
from wiz_kernel_ext.gguf_file.shape import model_shape
from wiz_kernel_ext.gguf_file.source import BytesSource, RangeSource, Source

SEEDS = [
    g.small_model(n_vocab=40),
    g.gguf_bytes(
        g.llama_metadata(n_vocab=3)
        | {
            "general.alignment": (g.U32, 64),
            "llama.attention.head_count_kv": (g.ARRAY, (g.U32, [1, 2])),
        },
        [
            g.tensor("blk.0.a", [256, 8], 12, 0),
            g.tensor("blk.0.b", [32, 8], 8, 1152),
            g.tensor("c", [], 0, 1472),
        ],
        b"\0" * 1476,
        alignment=64,
    ),
]
NUMBERS = [
    0,
    1,
    3,
    8,
    9,
    255,
    1 << 16,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
    1 << 40,
    (1 << 64) - 1,
]
MAX_BYTES = 4 * 1024 * 1024


def mutated(rng: random.Random) -> bytes:
    """A header with one to six changes: bytes, numbers, cuts, stretches repeated or removed."""
    data = bytearray(rng.choice(SEEDS))
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(max(len(data) - 8, 1))
        match rng.randrange(6):
            case 0:
                data[at] = rng.randrange(256)
            case 1:
                data[at : at + 8] = rng.choice(NUMBERS).to_bytes(8, "little")
            case 2:
                data[at : at + 4] = (rng.choice(NUMBERS) & 0xFFFFFFFF).to_bytes(4, "little")
            case 3:
                del data[at:]
            case 4:
                data[at:at] = data[at : at + rng.randrange(64)]
            case 5:
                del data[at : at + rng.randrange(64)]
        if not data:
            break
    return bytes(data)


def local(data: bytes) -> Source:
    return BytesSource(data)


def remote(data: bytes) -> Source:
    """As from a server that claims any length."""
    return RangeSource(lambda offset, size: data[offset : offset + size], 1 << 45)


def read_mutations(n: int, source: Callable[[bytes], Source]) -> int:
    """Read `n` mutated headers; how many were refused."""
    rng = random.Random(7)
    refused = 0
    slowest_s = 0.0
    tracemalloc.start()
    for _ in range(n):
        data = mutated(rng)
        began = time.process_time()
        try:
            model_shape(read_header(source(data), max_bytes=MAX_BYTES))
        except GgufInvalid:
            refused += 1
        slowest_s = max(slowest_s, time.process_time() - began)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 3 * MAX_BYTES
    assert slowest_s < 5
    return refused


@pytest.mark.parametrize("source", [local, remote])
def test_1000_mutated_headers_are_read_or_refused(source: Callable[[bytes], Source]) -> None:
    assert 500 < read_mutations(1_000, source) < 1_000


@pytest.mark.slow
@pytest.mark.parametrize("source", [local, remote])
def test_10000_mutated_headers_are_read_or_refused(source: Callable[[bytes], Source]) -> None:
    assert read_mutations(10_000, source) > 5_000
