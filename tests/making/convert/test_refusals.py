"""What cannot be converted faithfully is refused: the folder, the file, the reason, the remedy."""

from __future__ import annotations

import json
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from tests.making.convert import tokenizer_files as files
from tests.making.convert.checkpoints import safetensors, write_bert, write_checkpoint
from tests.making.convert.running import converted
from wiz_kernel_ext.errors import BadRequest, ConversionRefused, ModelFileNotFound, WizError
from wiz_kernel_ext.making.convert import CHECKPOINT_FILES, check_supported, estimate

# Each: the case, what is changed in config.json, a part of the message.
CONFIGURATIONS: list[tuple[str, dict[str, Any], str]] = [
    ("llama", {"architectures": ["MixtralForCausalLM"]}, "mixture of experts"),
    ("llama", {"num_local_experts": 8}, "mixture of experts"),
    ("qwen2", {"architectures": ["Qwen2MoeForCausalLM"]}, "mixture of experts"),
    ("llama", {"vision_config": {}}, "pictures or sound"),
    ("llama", {"audio_config": {}}, "pictures or sound"),
    ("llama", {"architectures": ["NewForCausalLM"]}, "'NewForCausalLM' is not one"),
    ("llama", {"architectures": None}, "is not one this converter knows"),
    ("llama", {"architectures": [3]}, "is not one this converter knows"),
    *[
        ("llama", {"quantization_config": {"quant_method": method}}, rf"already \({method}\)")
        for method in ("gptq", "awq", "fp8", "mxfp4", "bitsandbytes")
    ],
    ("llama", {"hidden_act": "relu"}, "the activation 'relu'"),
    ("llama", {"rope_scaling": {"rope_type": "dynamic", "factor": 2.0}}, "rope type 'dynamic'"),
    ("llama", {"rope_scaling": {"rope_type": "llama3", "factor": 2.0}}, "low_freq_factor is None"),
    ("llama", {"rope_scaling": 5}, "rope settings are no object"),
    ("llama", {"rope_theta": -1.0}, "rope_theta is -1.0"),
    ("qwen2", {"rope_scaling": {"rope_type": "llama3"}}, "rope type 'llama3' is not one"),
    (
        "qwen2",
        {"rope_scaling": {"rope_type": "yarn", "factor": 4.0, "beta_fast": 16}},
        "yarn setting 'beta_fast'",
    ),
    (
        "phi3-longrope",
        {"rope_scaling": {"type": "longrope", "short_factor": [1]}},
        "_factor is not",
    ),
    ("gemma2", {"rope_scaling": {"type": "linear", "factor": 2.0}}, "rope type 'linear'"),
    ("gemma2", {"attn_logit_softcapping": None}, "softcapping is off"),
    ("gemma2", {"query_pre_attn_scalar": 144}, "query_pre_attn_scalar = 144"),
    ("gemma3", {"attn_logit_softcapping": 5.0}, "no attention softcapping for gemma3"),
    ("gemma3", {"use_bidirectional_attention": True}, "use_bidirectional_attention"),
    ("gemma3", {"layer_types": ["chunked_attention"] * 7}, "layer_types"),
    ("smollm3", {"no_rope_layers": [1, 0, 1, 0, 1]}, "not every fourth"),
    ("llama", {"num_hidden_layers": 0}, "no usable num_hidden_layers"),
    ("llama", {"num_hidden_layers": 10**9}, "no usable num_hidden_layers"),
    ("llama", {"hidden_size": "64"}, "no usable hidden_size"),
    ("llama", {"rms_norm_eps": "1"}, "no usable rms_norm_eps"),
    ("llama", {"vocab_size": 99}, "has the shape"),
    ("llama", {"intermediate_size": 98}, r"'model.layers.0.mlp.gate_proj.weight' has the shape"),
    ("llama", {"num_hidden_layers": 4}, "'model.layers.3.input_layernorm.weight' is missing"),
    ("llama", {"num_hidden_layers": 2}, "'model.layers.2.[a-z_]+.weight' has no place"),
    ("llama", {"num_key_value_heads": 3}, "4 heads of 16"),
    ("qwen2", {"head_dim": 32}, "4 heads of 32 for a width of 64"),
    ("smollm", {"tie_word_embeddings": False}, "'lm_head.weight' is missing"),
]


@pytest.mark.parametrize(("case", "changes", "reason"), CONFIGURATIONS)
def test_a_configuration_llama_cpp_cannot_follow_is_refused_before_converting(
    case: str, changes: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    config, _ = write_checkpoint(folder, case)
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    with pytest.raises(ConversionRefused, match=reason) as caught:
        estimate(folder)
    assert str(folder) in caught.value.message
    assert caught.value.hint


def test_whether_it_can_be_converted_is_known_from_the_configuration_alone(tmp_path: Path) -> None:
    config, _ = write_checkpoint(tmp_path, "gemma3")
    for file in tmp_path.iterdir():
        file.unlink()
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert check_supported(tmp_path) == "gemma3"
    (tmp_path / "config.json").write_text(json.dumps({**config, "vision_config": {}}))
    with pytest.raises(ConversionRefused, match="pictures or sound"):
        check_supported(tmp_path)


def test_the_files_to_fetch_are_those_a_checkpoint_has(tmp_path: Path) -> None:
    write_bert(tmp_path / "whole")
    write_checkpoint(tmp_path / "parts", "qwen3", shards=2)
    for file in [f for f in tmp_path.rglob("*") if f.is_file()]:
        name = file.relative_to(tmp_path).as_posix().partition("/")[2]
        assert any(fnmatch(name, pattern) for pattern in CHECKPOINT_FILES), name
    assert not any(fnmatch("pytorch_model.bin", pattern) for pattern in CHECKPOINT_FILES)


def replace_weights(folder: Path, change: Callable[[dict[str, Any]], object], dtype: str) -> None:
    _, weights = write_checkpoint(folder, "llama")
    change(weights)
    (folder / "model.safetensors").write_bytes(safetensors(weights, dtype))


def test_a_number_that_is_none_is_refused_with_its_tensor(tmp_path: Path) -> None:
    name = "model.layers.1.mlp.up_proj.weight"

    def spoil(weights: dict[str, Any]) -> None:
        weights[name][3, 3] = float("nan")

    replace_weights(tmp_path / "model", spoil, "F32")
    for out_type in ("f16", "bf16", "q8_0"):
        with pytest.raises(ConversionRefused, match=name):
            converted(tmp_path / "model", tmp_path / "model.gguf", out_type)
    assert list(tmp_path.iterdir()) == [tmp_path / "model"]


def test_a_number_too_large_for_f16_is_refused_with_the_remedy(tmp_path: Path) -> None:
    def enlarge(weights: dict[str, Any]) -> None:
        weights["model.layers.1.mlp.up_proj.weight"][3, 3] = 1e6

    replace_weights(tmp_path / "model", enlarge, "BF16")
    with pytest.raises(ConversionRefused, match="too large for F16") as caught:
        converted(tmp_path / "model", tmp_path / "model.gguf", "f16")
    assert "bf16" in caught.value.hint
    converted(tmp_path / "model", tmp_path / "model.gguf", "bf16")


def test_a_leftover_tensor_is_refused_by_name(tmp_path: Path) -> None:
    def add(weights: dict[str, Any]) -> None:
        weights["model.layers.0.self_attn.q_norm.weight"] = weights["model.norm.weight"]

    replace_weights(tmp_path / "model", add, "F32")
    with pytest.raises(ConversionRefused, match=r"q_norm.weight' has no place in a llama model"):
        estimate(tmp_path / "model")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({}, "there is no config.json"),
        ({"config.json": "{"}, "config.json is not readable"),
        ({"config.json": "[]"}, "config.json is not readable"),
        ({"config.json": "[" * 100_000}, "config.json is not readable"),
        ({"adapter_config.json": "{}"}, "LoRA adapter"),
    ],
    ids=["nothing", "cut off", "a list", "deep", "adapter"],
)
def test_a_folder_that_is_no_checkpoint_is_refused(
    content: dict[str, str], reason: str, tmp_path: Path
) -> None:
    for name, text in content.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(ConversionRefused, match=reason) as caught:
        estimate(tmp_path)
    assert str(tmp_path) in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("present", "reason"),
    [
        (["pytorch_model.bin"], r"pickled \(pytorch_model.bin\)"),
        (["model.pth"], r"pickled \(model.pth\)"),
        ([], r"no \*.safetensors"),
        (["a.safetensors", "b.safetensors"], "but no model.safetensors.index.json"),
    ],
)
def test_weights_that_are_not_there_are_refused(
    present: list[str], reason: str, tmp_path: Path
) -> None:
    write_checkpoint(tmp_path, "llama")
    (tmp_path / "model.safetensors").unlink()
    for name in present:
        (tmp_path / name).write_bytes(b"\x80\x04")
    with pytest.raises(ConversionRefused, match=reason):
        estimate(tmp_path)


@pytest.mark.parametrize(
    ("shard", "reason"),
    [
        ("../secret.safetensors", "no plain safetensors file name"),
        ("/etc/passwd", "no plain safetensors file name"),
        ("a\\b.safetensors", "no plain safetensors file name"),
        ("model-00009-of-00009.safetensors", "model-00009-of-00009.safetensors is missing"),
        (7, "no weight_map"),
    ],
)
def test_a_shard_list_may_only_name_files_of_its_folder(
    shard: object, reason: str, tmp_path: Path
) -> None:
    write_checkpoint(tmp_path, "llama", shards=2)
    index = tmp_path / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    content["weight_map"]["model.norm.weight"] = shard
    index.write_text(json.dumps(content))
    with pytest.raises(ConversionRefused, match=reason):
        estimate(tmp_path)


@pytest.mark.parametrize(
    ("tokenizer", "reason"),
    [
        (None, "there is no tokenizer.json"),
        ({}, "of the kind None"),
        (files.unigram(), "of the kind 'Unigram'"),
        ({"model": {"type": "BPE", "vocab": [], "merges": []}}, "vocabulary is not readable"),
        ({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a"]}}, "is no pair"),
        ({"model": {"type": "BPE", "vocab": {"a": 99999}, "merges": []}}, "a token 99999"),
        ({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}}, "neither byte-level"),
        ({"model": {"type": "WordPiece", "vocab": {"a": 0}}}, "no BertNormalizer"),
        (
            {
                "model": {"type": "BPE", "vocab": {"a": 0}, "merges": []},
                "added_tokens": [{"id": 1}],
            },
            "no id or text",
        ),
    ],
)
def test_a_tokenizer_that_cannot_be_carried_over_is_refused(
    tokenizer: dict[str, Any] | None, reason: str, tmp_path: Path
) -> None:
    write_checkpoint(tmp_path / "model", "llama")
    file = tmp_path / "model" / "tokenizer.json"
    file.unlink()
    if tokenizer is not None:
        file.write_text(json.dumps(tokenizer))
    with pytest.raises(ConversionRefused, match=reason) as caught:
        converted(tmp_path / "model", tmp_path / "model.gguf")
    assert caught.value.details["file"] == "tokenizer.json"
    assert not (tmp_path / "model.gguf").exists()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"1_Pooling/config.json": {"pooling_mode_max_tokens": True}}, "does not pool by max"),
        ({"modules.json": [{"type": "x.Dense", "path": "2_Dense"}]}, "a 'Dense' step"),
        ({"modules.json": [{"type": "x.Pooling", "path": "../x"}]}, "path of its pooling"),
        ({"modules.json": {"a": 1}}, "modules.json is not readable"),
    ],
)
def test_an_embedding_llama_cpp_cannot_finish_is_refused(
    changes: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    write_bert(tmp_path)
    for name, content in changes.items():
        (tmp_path / name).write_text(json.dumps(content))
    with pytest.raises(ConversionRefused, match=reason):
        estimate(tmp_path)


def test_an_embedding_whose_pooling_was_not_fetched_is_refused_with_the_file(
    tmp_path: Path,
) -> None:
    write_bert(tmp_path)
    (tmp_path / "1_Pooling" / "config.json").unlink()
    with pytest.raises(ConversionRefused, match="which says how it pools, is missing") as caught:
        estimate(tmp_path)
    assert caught.value.details["file"] == "1_Pooling/config.json"


def test_relative_position_embeddings_are_refused(tmp_path: Path) -> None:
    write_bert(tmp_path, position_embedding_type="relative_key")
    with pytest.raises(ConversionRefused, match="'relative_key', not absolute"):
        estimate(tmp_path)


def test_an_attention_window_llama_cpp_ignores_is_a_notice(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "model", "mistral", sliding_window=32)
    report = converted(tmp_path / "model", tmp_path / "model.gguf")
    assert "window of 32 tokens" in report.notices[0]


def test_a_folder_that_is_not_there_and_a_type_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(ModelFileNotFound, match="There is no folder"):
        estimate(tmp_path / "nowhere")
    write_checkpoint(tmp_path, "llama")
    with pytest.raises(BadRequest, match="'q4_k_m'") as caught:
        estimate(tmp_path, "q4_k_m")
    assert "quantize" in caught.value.hint
    assert isinstance(caught.value, WizError)
