"""PEFT adapters to GGUF: with its model it computes what the merged checkpoint does, or refuses."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from tests.making.convert.adapters import merged, write_peft
from tests.making.convert.checkpoints import Weights, safetensors, write_checkpoint
from tests.making.convert.running import converted, llama_logits
from wiz_kernel_ext.errors import Conflict, ConversionRefused, GgufInvalid
from wiz_kernel_ext.making.convert import convert, is_adapter
from wiz_kernel_ext.making.convert.adapter_job import run_adapter
from wiz_kernel_ext.making.convert.job import Job
from wiz_kernel_ext.making.convert.report import ConversionReport

IDS = [5, 17, 40, 3, 77, 120, 9, 64]


class Case:
    """A checkpoint, its GGUF, and an adapter to it."""

    def __init__(self, folder: Path, case: str, **peft: Any) -> None:
        self.folder = folder
        self.model = folder / "model"
        self.adapter = folder / "adapter"
        _, self.weights = write_checkpoint(self.model, case)
        self.added = write_peft(self.adapter, self.weights, **peft)

    def gguf(self, weights: Weights | None = None) -> Path:
        """The checkpoint's GGUF, or that of the same with other weights."""
        source, target = self.model, self.folder / "model.gguf"
        if weights is not None:
            source, target = self.folder / "other", self.folder / "other.gguf"
            shutil.copytree(self.model, source)
            (source / "model.safetensors").write_bytes(safetensors(weights, "F32"))
        converted(source, target)
        return target

    def convert(self, out_type: str = "f32", base: Path | None = None) -> ConversionReport:
        target = self.folder / "adapter.gguf"
        base = base or self.model
        job = Job(self.adapter, target, out_type, base=base, overwrite=True)
        return run_adapter(job, lambda done, total: None)


@pytest.mark.parametrize(
    ("case", "peft"),
    [
        ("llama", {}),
        ("llama", {"targets": "(q|k)_proj", "rank": 2}),
        ("mistral", {}),
        ("smollm3", {}),
        ("qwen2", {"use_rslora": True}),
        ("qwen3", {}),
        ("gemma2", {}),
        ("gemma3", {"targets": "(k|down)_proj"}),
        ("phi3", {}),
    ],
)
@pytest.mark.parametrize("base", ["checkpoint", "gguf"])
def test_a_converted_adapter_computes_what_the_merged_checkpoint_does(
    tmp_path: Path, case: str, peft: dict[str, Any], base: str
) -> None:
    one = Case(tmp_path, case, **peft)
    model = one.gguf()
    report = one.convert(base=one.model if base == "checkpoint" else model)
    expected = llama_logits(one.gguf(merged(one.weights, one.added)), IDS)
    found = llama_logits(model, IDS, adapter=report.path)
    spread = np.abs(expected).max()
    assert np.abs(found - expected).max() < 1e-3 * spread
    assert np.abs(llama_logits(model, IDS) - expected).max() > 1e-2 * spread
    assert report.n_tensors == 2 * len(one.added)


@pytest.mark.parametrize("dtype", ["F16", "BF16"])
@pytest.mark.parametrize("out_type", ["f16", "bf16", "q8_0"])
def test_smaller_numbers_change_little(tmp_path: Path, dtype: str, out_type: str) -> None:
    one = Case(tmp_path, "llama", rank=32)
    write_peft(one.adapter, one.weights, rank=32, dtype=dtype)
    expected = llama_logits(one.gguf(merged(one.weights, one.added)), IDS)
    found = llama_logits(one.gguf(), IDS, adapter=one.convert(out_type).path)
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.99


def test_ranks_that_differ_are_told_by_the_shapes_where_alpha_is_one(tmp_path: Path) -> None:
    module = "model.layers.1.self_attn.q_proj"
    one = Case(tmp_path, "llama", ranks={module: 2})
    found = llama_logits(one.gguf(), IDS, adapter=one.convert().path)
    expected = llama_logits(one.gguf(merged(one.weights, one.added)), IDS)
    assert np.abs(found - expected).max() < 1e-3 * np.abs(expected).max()


def test_what_it_is_and_what_it_is_for_is_in_the_file(tmp_path: Path) -> None:
    one = Case(tmp_path, "llama")
    report = one.convert("f16")
    reader = gguf.GGUFReader(report.path)
    said = {name: field.contents() for name, field in reader.fields.items()}
    assert said["general.type"] == "adapter"
    assert said["general.architecture"] == report.architecture == "llama"
    assert said["adapter.type"] == "lora"
    assert said["adapter.lora.alpha"] == 8.0
    assert said["general.base_model.0.name"] == str(one.model)
    assert report.size_bytes == report.path.stat().st_size
    assert not list(tmp_path.glob(".*part"))


def test_a_model_beside_its_adapter_and_one_it_names_are_found(tmp_path: Path) -> None:
    one = Case(tmp_path, "llama", base_model_name_or_path="../model")
    job = Job(one.adapter, tmp_path / "a.gguf", "f32")
    first = run_adapter(job, lambda done, total: None).path.read_bytes()
    shutil.copy(one.model / "config.json", one.adapter)
    job = Job(one.adapter, tmp_path / "b.gguf", "f32")
    second = run_adapter(job, lambda done, total: None).path.read_bytes()
    assert len(first) == len(second)


A = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
B = A.replace("lora_A", "lora_B")
K = "model.layers.1.self_attn.k_proj"


def ones(*shape: int) -> Any:
    return np.ones(shape, np.float32)


@pytest.mark.parametrize(
    ("peft", "reason"),
    [
        ({"use_dora": True}, "DoRA"),
        ({"modules_to_save": ["lm_head"]}, "whole layers of its own"),
        ({"bias": "all"}, "changes biases"),
        ({"lora_bias": True}, "biases of its own"),
        ({"fan_in_fan_out": True}, "stored the other way"),
        ({"peft_type": "IA3"}, "of type 'IA3'"),
        ({"peft_type": None}, "LoRA is converted"),
        ({"init_lora_weights": "pissa_niter_4"}, "base model that was changed"),
        ({"alpha_pattern": {"k_proj": 2.0}}, "scaled by another alpha"),
        ({"alpha_pattern": {"(": 2.0}}, "no usable alpha_pattern"),
        ({"alpha_pattern": [1]}, "no usable alpha_pattern"),
        ({"ranks": {K: 2}, "use_rslora": True}, "scaled by another alpha"),
        ({"rank_pattern": {"q_proj": 9}}, "has rank 4, where adapter_config.json says 9"),
        ({"r": 5}, "has rank 4, where adapter_config.json says 5"),
        ({"lora_alpha": "8"}, "no usable lora_alpha"),
        ({"lora_alpha": -1}, "no usable lora_alpha"),
        ({"trainable_token_indices": [1]}, "tokens of its own"),
        ({"layer_replication": [[0, 1]]}, "repeats the model's layers"),
        ({"alora_invocation_tokens": [1]}, "aLoRA"),
        ({"replaced": {A: None}}, "one of the two factors"),
        ({"replaced": {A: ones(4, 63)}}, "has the shape [4, 63]"),
        ({"replaced": {B: ones(64, 5)}}, "has the shape [64, 5]"),
        ({"replaced": {"lm_head.lora_A.weight": ones(4, 64)}}, "lm_head has no place"),
        (
            {"replaced": {f"{A[:-7]}magnitude_vector": ones(64)}},
            "is no factor of a LoRA",
        ),
        (
            {"replaced": {A.replace("layers.0", "layers.7"): ones(4, 64)}},
            "layers.7.self_attn.q_proj has no place",
        ),
        (
            {"replaced": {A.replace("self_attn.q_proj", "input_layernorm"): ones(4, 64)}},
            "input_layernorm has no place",
        ),
        ({"targets": "nothing"}, "it has no tensors"),
    ],
)
def test_what_a_gguf_lora_cannot_say_is_refused_with_the_reason(
    tmp_path: Path, peft: dict[str, Any], reason: str
) -> None:
    one = Case(tmp_path, "llama", **peft)
    with pytest.raises(ConversionRefused) as refused:
        one.convert()
    assert reason in str(refused.value)
    assert str(one.adapter) in str(refused.value)
    assert refused.value.hint
    assert not (tmp_path / "adapter.gguf").exists()


def test_a_base_model_that_is_not_here_or_not_known_is_refused(tmp_path: Path) -> None:
    one = Case(tmp_path, "llama")
    job = Job(one.adapter, tmp_path / "a.gguf", "f32")
    with pytest.raises(ConversionRefused, match=r"'somebody/some-model' is not here") as refused:
        run_adapter(job, lambda done, total: None)
    assert "--base" in str(refused.value.info().hint)
    writer = gguf.GGUFWriter(tmp_path / "odd.gguf", "mamba")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(ConversionRefused, match="architecture 'mamba'"):
        one.convert(base=tmp_path / "odd.gguf")
    with pytest.raises(GgufInvalid):
        one.convert(base=one.adapter / "adapter_config.json")
    config = (one.model / "config.json").read_text()
    (one.model / "config.json").write_text(config.replace("LlamaFor", "UnknownFor"))
    with pytest.raises(ConversionRefused, match="UnknownForCausalLM"):
        one.convert()


def test_files_that_are_missing_or_damaged_are_refused(tmp_path: Path) -> None:
    one = Case(tmp_path, "llama")
    weights = one.adapter / "adapter_model.safetensors"
    whole = weights.read_bytes()
    for bad in (whole[:-1], whole[:100], b""):
        weights.write_bytes(bad)
        with pytest.raises(ConversionRefused):
            one.convert()
    weights.unlink()
    with pytest.raises(ConversionRefused, match=r"no adapter_model\.safetensors"):
        one.convert()
    weights.write_bytes(whole)
    (one.adapter / "adapter_config.json").write_text("{")
    with pytest.raises(ConversionRefused, match="not readable"):
        one.convert()


async def test_a_child_converts_it_and_overwrites_nothing(tmp_path: Path) -> None:
    one = Case(tmp_path, "llama")
    assert is_adapter(one.adapter)
    assert not is_adapter(one.model)
    target = tmp_path / "made.gguf"
    marks: list[tuple[int, int | None]] = []
    report = await convert(
        one.adapter,
        target,
        base=one.model,
        on_progress=lambda done, total: marks.append((done, total)),
    )
    assert report.path == target
    assert marks[-1] == (report.source_size_bytes, report.source_size_bytes)
    with pytest.raises(Conflict):
        await convert(one.adapter, target, base=one.model)
    with pytest.raises(ConversionRefused, match="is not here"):
        await convert(one.adapter, tmp_path / "other.gguf")
    assert not (tmp_path / "other.gguf").exists()
