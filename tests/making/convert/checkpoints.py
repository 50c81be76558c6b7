"""Writes tiny random checkpoints of every family, as they lie on the hub."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.making.convert import tokenizer_files as files

Array = npt.NDArray[Any]
Weights = dict[str, Array]

_DTYPES = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16}
_BASE: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "rms_norm_eps": 1e-5,
    "hidden_act": "silu",
    "tie_word_embeddings": False,
}
_LLAMA3_ROPE = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
_GEMMA = {
    "head_dim": 32,
    "hidden_activation": "gelu_pytorch_tanh",
    "tie_word_embeddings": True,
    "query_pre_attn_scalar": 32,
    "sliding_window": 6,
    "num_hidden_layers": 4,
}
_LONGROPE = {
    "type": "longrope",
    "short_factor": [1.0, 1.1, 1.2, 1.3, 1.4, 1.5],
    "long_factor": [1.0, 1.5, 2.0, 3.0, 5.0, 8.0],
}

# Each: architecture, model_type, what differs from _BASE, tokenizer.
CASES: dict[str, tuple[str, str, dict[str, Any], str]] = {
    "llama": ("LlamaForCausalLM", "llama", {}, "sentence_piece"),
    "llama-biases": (
        "LlamaForCausalLM",
        "llama",
        {"attention_bias": True, "mlp_bias": True, "tie_word_embeddings": True},
        "llama3",
    ),
    "llama-rope3-old": (
        "LlamaForCausalLM",
        "llama",
        {"rope_theta": 5e5, "rope_scaling": _LLAMA3_ROPE},
        "llama3",
    ),
    "llama-rope3-new": (
        "LlamaForCausalLM",
        "llama",
        {"rope_parameters": {**_LLAMA3_ROPE, "rope_theta": 5e5}},
        "llama3",
    ),
    "llama-linear": (
        "LlamaForCausalLM",
        "llama",
        {"rope_scaling": {"type": "linear", "rope_type": "linear", "factor": 4.0}},
        "sentence_piece",
    ),
    "mistral": (
        "MistralForCausalLM",
        "mistral",
        {"head_dim": 32, "rope_theta": 1e6, "sliding_window": None},
        "sentence_piece",
    ),
    "smollm": ("LlamaForCausalLM", "llama", {"tie_word_embeddings": True}, "smollm"),
    "smollm3": (
        "SmolLM3ForCausalLM",
        "smollm3",
        {
            "num_hidden_layers": 5,
            "no_rope_layers": [1, 1, 1, 0, 1],
            "rope_theta": 2e6,
            "tie_word_embeddings": True,
        },
        "llama3",
    ),
    "qwen2": ("Qwen2ForCausalLM", "qwen2", {"rope_theta": 1e6}, "qwen2"),
    "qwen2-yarn": (
        "Qwen2ForCausalLM",
        "qwen2",
        {
            "rope_theta": 1e4,
            "rope_scaling": {
                "rope_type": "yarn",
                "factor": 4.0,
                "original_max_position_embeddings": 64,
            },
        },
        "qwen2",
    ),
    "qwen3": (
        "Qwen3ForCausalLM",
        "qwen3",
        {
            "head_dim": 32,
            "tie_word_embeddings": True,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6},
        },
        "qwen2",
    ),
    "gemma2": (
        "Gemma2ForCausalLM",
        "gemma2",
        {**_GEMMA, "attn_logit_softcapping": 5.0, "final_logit_softcapping": 3.0},
        "gemma",
    ),
    "gemma3": (
        "Gemma3ForCausalLM",
        "gemma3_text",
        {
            **_GEMMA,
            "num_hidden_layers": 7,
            "rope_theta": 1e6,
            "rope_local_base_freq": 1e4,
            "rope_scaling": {"rope_type": "linear", "factor": 8.0},
        },
        "gemma",
    ),
    "gemma3-new": (
        "Gemma3ForCausalLM",
        "gemma3_text",
        {
            **_GEMMA,
            "layer_types": ["sliding_attention", "full_attention"] * 2,
            "rope_parameters": {
                "full_attention": {"rope_type": "linear", "rope_theta": 1e6, "factor": 8.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
            },
        },
        "gemma",
    ),
    "phi3": ("Phi3ForCausalLM", "phi3", {"sliding_window": None}, "sentence_piece"),
    "phi3-longrope": (
        "Phi3ForCausalLM",
        "phi3",
        {
            "rope_scaling": _LONGROPE,
            "partial_rotary_factor": 0.75,
            "max_position_embeddings": 1024,
            "original_max_position_embeddings": 256,
        },
        "llama3",
    ),
}
_BERT = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
    "type_vocab_size": 2,
    "layer_norm_eps": 1e-12,
    "hidden_act": "gelu",
}

TOKENIZERS: dict[str, Callable[[], dict[str, Any]]] = {
    "llama3": lambda: files.byte_level(files.LLAMA3),
    "qwen2": lambda: files.byte_level(files.QWEN2, nfc=True),
    "smollm": lambda: files.byte_level(digits=True),
    "gpt2": files.byte_level,
    "gpt4o": lambda: files.byte_level(files.GPT4O),
    "tekken": lambda: files.byte_level(files.TEKKEN),
    "sentence_piece": files.sentence_piece,
    "gemma": lambda: files.sentence_piece(prefix=False, gemma=True),
    "word_piece": files.word_piece,
}
_SPECIAL = {
    "sentence_piece": {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"},
    "gemma": {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>"},
    "word_piece": {
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "mask_token": "[MASK]",
    },
}


def write_checkpoint(
    folder: Path, case: str, *, dtype: str = "F32", shards: int = 1, **changes: Any
) -> tuple[dict[str, Any], Weights]:
    """Write the checkpoint of `case` into `folder`; its configuration and weights as stored."""
    architecture, kind, differing, tokenizer = CASES[case]
    vocabulary = write_tokenizer(folder, tokenizer)
    config = {
        **_BASE,
        "architectures": [architecture],
        "model_type": kind,
        "vocab_size": vocabulary,
        **differing,
        **changes,
    }
    weights = stored(decoder_weights(config), dtype)
    _write(folder, config, weights, dtype, shards)
    return config, weights


def write_bert(folder: Path, **changes: Any) -> tuple[dict[str, Any], Weights]:
    """Write a sentence embedding model that pools by the mean."""
    config = {
        **_BERT,
        "architectures": ["BertModel"],
        "model_type": "bert",
        "vocab_size": write_tokenizer(folder, "word_piece"),
        **changes,
    }
    weights = _bert_weights(config)
    _write(folder, config, weights, "F32", 1)
    types = ("Transformer", "Pooling", "Normalize")
    listing = [
        {"path": "" if i == 0 else f"{i}_{t}", "type": f"sentence_transformers.models.{t}"}
        for i, t in enumerate(types)
    ]
    (folder / "modules.json").write_text(json.dumps(listing))
    (folder / "1_Pooling").mkdir(exist_ok=True)
    pooling = {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    return config, weights


def write_tokenizer(folder: Path, name: str) -> int:
    """Write tokenizer.json and tokenizer_config.json; the number of embedding rows it takes."""
    folder.mkdir(parents=True, exist_ok=True)
    source = _trained(name)
    (folder / "tokenizer.json").write_text(json.dumps(source))
    usual = {"bos_token": None, "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    settings = {**_SPECIAL.get(name, usual), "chat_template": "{{ messages }}"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    ids = [*source["model"]["vocab"].values(), *(t["id"] for t in source["added_tokens"])]
    return -(-(max(map(int, ids)) + 1) // 32) * 32


@functools.cache
def _trained(name: str) -> dict[str, Any]:
    return TOKENIZERS[name]()


def stored(weights: Weights, dtype: str) -> Weights:
    """The weights as that number type holds them, as float32."""
    if dtype == "BF16":
        return {
            name: (value.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
            for name, value in weights.items()
        }
    return {name: v.astype(_DTYPES[dtype]).astype(np.float32) for name, v in weights.items()}


def safetensors(weights: Weights, dtype: str = "F32") -> bytes:
    """A safetensors file."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    chunks: list[bytes] = []
    offset = 0
    for name, value in weights.items():
        if dtype == "BF16":
            data = (np.ascontiguousarray(value).view(np.uint32) >> 16).astype(np.uint16).tobytes()
        else:
            data = value.astype(_DTYPES[dtype]).tobytes()
        header[name] = {
            "dtype": dtype,
            "shape": list(value.shape),
            "data_offsets": [offset, offset + len(data)],
        }
        chunks.append(data)
        offset += len(data)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + b"".join(chunks)


def _write(
    folder: Path, config: Mapping[str, Any], weights: Weights, dtype: str, shards: int
) -> None:
    (folder / "config.json").write_text(json.dumps(config))
    if shards == 1:
        (folder / "model.safetensors").write_bytes(safetensors(weights, dtype))
        return
    names = list(weights)
    places: dict[str, str] = {}
    for shard in range(shards):
        file = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
        part = {name: weights[name] for name in names[shard::shards]}
        places |= dict.fromkeys(part, file)
        (folder / file).write_bytes(safetensors(part, dtype))
    index = {"metadata": {}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def decoder_weights(config: Mapping[str, Any]) -> Weights:
    rng = np.random.default_rng(7)
    kind, width, n_ffn = config["model_type"], config["hidden_size"], config["intermediate_size"]
    gemma = kind.startswith("gemma")
    head = config.get("head_dim") or width // config["num_attention_heads"]
    n_q, n_kv = config["num_attention_heads"] * head, config["num_key_value_heads"] * head
    weights: Weights = {}

    def matrix(name: str, rows: int, columns: int, bias: bool = False) -> None:
        values = rng.standard_normal((rows, columns)) * columns**-0.5
        weights[f"{name}.weight"] = values.astype(np.float32)
        if bias:
            weights[f"{name}.bias"] = (rng.standard_normal(rows) * 0.2).astype(np.float32)

    def norm(name: str, n: int) -> None:
        centre = 0.0 if gemma else 1.0
        weights[f"{name}.weight"] = (centre + rng.standard_normal(n) * 0.2).astype(np.float32)

    embedding = rng.standard_normal((config["vocab_size"], width))
    weights["model.embed_tokens.weight"] = (embedding * (0.2 if gemma else 0.7)).astype(np.float32)
    for layer in range(config["num_hidden_layers"]):
        p = f"model.layers.{layer}."
        norms = ["input_layernorm", "post_attention_layernorm"]
        if gemma:
            norms += ["pre_feedforward_layernorm", "post_feedforward_layernorm"]
        for name in norms:
            norm(p + name, width)
        biased = bool(config.get("attention_bias"))
        if kind == "phi3":
            matrix(p + "self_attn.qkv_proj", n_q + 2 * n_kv, width)
            matrix(p + "mlp.gate_up_proj", 2 * n_ffn, width)
        else:
            for name, rows in (("q_proj", n_q), ("k_proj", n_kv), ("v_proj", n_kv)):
                matrix(f"{p}self_attn.{name}", rows, width, biased or kind == "qwen2")
            matrix(p + "mlp.gate_proj", n_ffn, width, bool(config.get("mlp_bias")))
            matrix(p + "mlp.up_proj", n_ffn, width, bool(config.get("mlp_bias")))
        matrix(p + "self_attn.o_proj", width, n_q, biased)
        matrix(p + "mlp.down_proj", width, n_ffn, bool(config.get("mlp_bias")))
        if kind in ("qwen3", "gemma3_text"):
            norm(p + "self_attn.q_norm", head)
            norm(p + "self_attn.k_norm", head)
    norm("model.norm", width)
    if not config["tie_word_embeddings"]:
        matrix("lm_head", config["vocab_size"], width)
    return weights


def _bert_weights(config: Mapping[str, Any]) -> Weights:
    rng = np.random.default_rng(11)
    width, n_ffn = config["hidden_size"], config["intermediate_size"]
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (config["vocab_size"], width),
        "embeddings.position_embeddings.weight": (config["max_position_embeddings"], width),
        "embeddings.token_type_embeddings.weight": (config["type_vocab_size"], width),
        "pooler.dense.weight": (width, width),
        "pooler.dense.bias": (width,),
    }
    norms = ["embeddings.LayerNorm"]
    for layer in range(config["num_hidden_layers"]):
        p = f"encoder.layer.{layer}."
        inner = ["attention.self.query", "attention.self.key", "attention.self.value"]
        linear = dict.fromkeys([*inner, "attention.output.dense"], (width, width))
        linear |= {"intermediate.dense": (n_ffn, width), "output.dense": (width, n_ffn)}
        for name, shape in linear.items():
            shapes |= {f"{p}{name}.weight": shape, f"{p}{name}.bias": shape[:1]}
        norms += [p + "attention.output.LayerNorm", p + "output.LayerNorm"]
    weights = {
        name: (rng.standard_normal(shape) * shape[-1] ** -0.5).astype(np.float32)
        for name, shape in shapes.items()
    }
    for name in norms:
        weights[f"{name}.weight"] = (1 + rng.standard_normal(width) * 0.2).astype(np.float32)
        weights[f"{name}.bias"] = (rng.standard_normal(width) * 0.2).astype(np.float32)
    return weights
