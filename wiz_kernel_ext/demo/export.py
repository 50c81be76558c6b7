"""From a training checkpoint to the GGUF that llama.cpp runs: Q8_0, with tokenizer and template."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from torch import Tensor

from .chat_template import TEMPLATE
from .network import Shape
from .tokenizer import CONTROL, END, END_OF_TEXT, USER_DEFINED

_NAMES = {
    "input_layernorm": "attn_norm",
    "q_proj": "attn_q",
    "k_proj": "attn_k",
    "v_proj": "attn_v",
    "o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "gate_proj": "ffn_gate",
    "up_proj": "ffn_up",
    "down_proj": "ffn_down",
}


def export(checkpoint: Path, target: Path) -> Path:
    """Write the checkpoint's network and tokenizer to `target` as a Q8_0 GGUF; return `target`."""
    state = torch.load(checkpoint, weights_only=True)
    shape = Shape(**state["shape"])
    writer = gguf.GGUFWriter(target, "llama")
    _add_facts(writer, shape)
    _add_tokenizer(writer, json.loads(state["tokenizer"]))
    for name, weight in state["network"].items():
        _add_tensor(writer, *_converted(name, weight, shape))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


def _add_facts(writer: gguf.GGUFWriter, shape: Shape) -> None:
    writer.add_name("wiz demo")
    writer.add_description("A tiny demo chat model (English, Portuguese), trained from scratch")
    writer.add_license("MIT")
    writer.add_languages(["en", "pt"])
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.feed_forward)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.kv_heads)
    writer.add_layer_norm_rms_eps(shape.norm_eps)
    writer.add_rope_freq_base(shape.rope_base)
    writer.add_rope_dimension_count(shape.head_width)
    writer.add_vocab_size(shape.vocabulary)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)


def _add_tokenizer(writer: gguf.GGUFWriter, tokenizer: dict[str, Any]) -> None:
    vocabulary: dict[str, int] = tokenizer["model"]["vocab"]
    merges = tokenizer["model"]["merges"]
    kinds = dict.fromkeys(CONTROL, gguf.TokenType.CONTROL)
    kinds |= dict.fromkeys(USER_DEFINED, gguf.TokenType.USER_DEFINED)
    tokens = sorted(vocabulary, key=vocabulary.__getitem__)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([kinds.get(token, gguf.TokenType.NORMAL) for token in tokens])
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in merges])
    writer.add_bos_token_id(vocabulary[END_OF_TEXT])
    writer.add_eos_token_id(vocabulary[END])
    writer.add_eot_token_id(vocabulary[END])
    writer.add_pad_token_id(vocabulary[END_OF_TEXT])
    writer.add_add_bos_token(False)
    writer.add_add_space_prefix(False)
    writer.add_chat_template(TEMPLATE)


def _converted(name: str, weight: Tensor, shape: Shape) -> tuple[str, Tensor]:
    """Return llama.cpp's name and layout of a weight (it ties the output to `token_embd`)."""
    if name == "embed_tokens.weight":
        return "token_embd.weight", weight
    if name == "norm.weight":
        return "output_norm.weight", weight
    _, layer, part, _ = name.split(".")
    if part == "q_proj":
        weight = _interleaved(weight, shape.heads)
    elif part == "k_proj":
        weight = _interleaved(weight, shape.kv_heads)
    return f"blk.{layer}.{_NAMES[part]}.weight", weight


def _interleaved(weight: Tensor, heads: int) -> Tensor:
    """Reorder rows: llama.cpp's "llama" rotates neighbouring pairs, the network rotates halves."""
    rows, columns = weight.shape
    halves = weight.reshape(heads, 2, rows // heads // 2, columns)
    return halves.transpose(1, 2).reshape(rows, columns)


def _add_tensor(writer: gguf.GGUFWriter, name: str, weight: Tensor) -> None:
    values = np.ascontiguousarray(weight.float().numpy())
    if values.ndim == 1:  # norms stay in F32
        writer.add_tensor(name, values)
        return
    kind = gguf.GGMLQuantizationType.Q8_0
    packed = gguf.quants.quantize(values, kind)
    writer.add_tensor(name, packed, raw_dtype=kind)
