"""Numbers are packed as ggml packs them, bit for bit."""

from __future__ import annotations

import gguf
import numpy as np
import pytest

from wiz_kernel_ext.making.convert.numbers import (
    bf16_to_f16,
    interleaved,
    to_bf16,
    to_f32,
    to_q8_0,
)

RNG = np.random.default_rng(1)
VALUES = np.concatenate(
    [
        RNG.standard_normal((40, 64)),
        RNG.standard_normal((40, 64)) * 1e-6,
        RNG.standard_normal((40, 64)) * 1e4,
        np.zeros((2, 64)),
        np.linspace(-127, 127, 128).reshape(2, 64),
        np.arange(-64, 64).reshape(2, 64) + 0.5,
    ]
).astype(np.float32)


@pytest.mark.parametrize(("pack", "kind"), [(to_q8_0, "Q8_0"), (to_bf16, "BF16")])
def test_packing_is_gguf_pys_bit_for_bit(pack: object, kind: str) -> None:
    assert callable(pack)
    packed, finite = pack(VALUES)
    expected = gguf.quants.quantize(VALUES, gguf.GGMLQuantizationType[kind])
    assert finite
    assert packed.tobytes() == expected.tobytes()


def test_the_table_of_halves_is_numpys_rounding_for_every_number() -> None:
    bits = np.arange(1 << 16, dtype=np.uint16)
    finite = np.isfinite(to_f32(bits, "BF16")) & (np.abs(to_f32(bits, "BF16")) < 65504)
    packed, all_finite = bf16_to_f16(bits[finite])
    assert all_finite
    expected = to_f32(bits[finite], "BF16").astype(np.float16)
    assert np.array_equal(packed.view(np.float16), expected)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_none_are_noticed(bad: float) -> None:
    values = VALUES.copy()
    values[3, 7] = bad
    with np.errstate(invalid="ignore"):
        assert not to_q8_0(values)[1]
    assert not to_bf16(values)[1]
    assert not bf16_to_f16((values.view(np.uint32) >> 16).astype(np.uint16))[1]


def test_interleaving_takes_the_halves_of_each_head_in_turns() -> None:
    rows = np.arange(8).reshape(8, 1)
    assert interleaved(rows, 4).ravel().tolist() == [0, 2, 1, 3, 4, 6, 5, 7]
