"""Converted models compute what the checkpoint's architecture says, by a forward of our own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from tests.making.convert import reference
from tests.making.convert.checkpoints import CASES, write_bert, write_checkpoint
from tests.making.convert.running import converted, llama_logits, llama_states

TOLERANCE = 5e-3
IDS = np.random.default_rng(5).integers(3, 1100, 40).tolist()


def compare(file: Path, config: dict[str, Any], weights: Any, n_context: int = 256) -> float:
    """The largest difference of any logit."""
    expected = reference.logits({**config, "n_context_used": n_context}, weights, IDS)
    difference = np.abs(llama_logits(file, IDS, n_context) - expected)
    return float(difference.max())


@pytest.mark.parametrize("case", CASES)
def test_logits_of_a_converted_model_are_those_of_the_checkpoint(case: str, tmp_path: Path) -> None:
    config, weights = write_checkpoint(tmp_path / "model", case)
    report = converted(tmp_path / "model", tmp_path / "model.gguf")
    assert report.n_probes >= 300
    assert compare(tmp_path / "model.gguf", config, weights) < TOLERANCE


def test_a_long_context_takes_the_long_rope_factors(tmp_path: Path) -> None:
    config, weights = write_checkpoint(tmp_path / "model", "phi3-longrope")
    converted(tmp_path / "model", tmp_path / "model.gguf")
    long = compare(tmp_path / "model.gguf", config, weights, n_context=512)
    assert long < TOLERANCE


# llama.cpp rounds the other side of each product to the type of the weights.
@pytest.mark.parametrize(
    ("stored", "out_type", "rounding"),
    [
        ("F32", "q8_0", 0.25),
        ("F32", "bf16", 0.15),
        ("F16", "f32", TOLERANCE),
        ("F16", "bf16", 0.15),
        ("BF16", "f32", TOLERANCE),
        ("BF16", "f16", 0.01),
        ("BF16", "bf16", 0.15),
        ("BF16", "q8_0", 0.25),
    ],
)
def test_stored_types_become_out_types(
    stored: str, out_type: str, rounding: float, tmp_path: Path
) -> None:
    config, weights = write_checkpoint(tmp_path / "model", "mistral", dtype=stored)
    report = converted(tmp_path / "model", tmp_path / "model.gguf", out_type)
    assert compare(tmp_path / "model.gguf", config, weights) < rounding
    reader = gguf.GGUFReader(report.path)
    assert {t.tensor_type.name for t in reader.tensors} == {"F32", out_type.upper()}


def test_f16_weights_from_f32_are_within_the_tolerance_of_rounded_ones(tmp_path: Path) -> None:
    config, weights = write_checkpoint(tmp_path / "model", "llama", dtype="F16")
    converted(tmp_path / "model", tmp_path / "model.gguf", "f16")
    assert compare(tmp_path / "model.gguf", config, weights) < TOLERANCE


def test_a_sharded_checkpoint_is_one_model(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "whole", "qwen3")
    write_checkpoint(tmp_path / "parts", "qwen3", shards=3)
    for name in ("whole", "parts"):
        converted(tmp_path / name, tmp_path / f"{name}.gguf", name="same")
    assert (tmp_path / "whole.gguf").read_bytes() == (tmp_path / "parts.gguf").read_bytes()


def test_an_embedding_model_gives_the_same_states_and_the_pooled_mean(tmp_path: Path) -> None:
    config, weights = write_bert(tmp_path / "model")
    converted(tmp_path / "model", tmp_path / "model.gguf")
    expected = reference.bert_states(config, weights, IDS)
    states = llama_states(tmp_path / "model.gguf", IDS, pooled=False)
    assert np.abs(states - expected).max() < TOLERANCE
    pooled = llama_states(tmp_path / "model.gguf", IDS, pooled=True)
    assert np.abs(pooled - expected.mean(0)).max() < TOLERANCE


def test_a_head_equal_to_the_embedding_is_not_written_twice(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "model", "smollm")
    converted(tmp_path / "model", tmp_path / "model.gguf")
    names = {tensor.name for tensor in gguf.GGUFReader(tmp_path / "model.gguf").tensors}
    assert "token_embd.weight" in names
    assert "output.weight" not in names


def test_the_window_pattern_is_written_only_where_it_is_unusual(tmp_path: Path) -> None:
    patterns = {}
    for case in ("gemma3", "gemma3-new"):
        write_checkpoint(tmp_path / case, case)
        converted(tmp_path / case, tmp_path / f"{case}.gguf")
        fields = gguf.GGUFReader(tmp_path / f"{case}.gguf").fields
        field = fields.get("gemma3.attention.sliding_window_pattern")
        patterns[case] = None if field is None else field.contents()
    assert patterns == {"gemma3": None, "gemma3-new": [True, False, True, False]}
