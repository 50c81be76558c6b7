"""The families that can be converted: which tensor becomes which, and what is done to it.

A table, read by `plan.py`. Shapes are letters: V vocabulary, E width, Q and K all query and all
key-value heads together, D one head, F feed-forward, P positions, T token types; "Q+2K" and "2F"
are fused. Names are llama.cpp's (llama-arch.cpp) and Hugging Face's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Change(Enum):
    """What is done to a tensor's numbers on the way."""

    NONE = "none"
    PLUS_ONE = "plus one"  # Gemma stores norm weights as their distance from one
    INTERLEAVE = "interleave"  # llama.cpp's "llama" rotates neighbouring pairs, not halves


@dataclass(frozen=True)
class Row:
    """One tensor: its name there and here, its shape, its change; F32 ones are never packed."""

    source: str
    target: str
    shape: str
    change: Change = Change.NONE
    optional: bool = False
    always_f32: bool = False


@dataclass(frozen=True)
class Family:
    """A family: `outer` rows once, `layer` rows for each layer (without "model.layers.N.")."""

    architecture: str
    layer: tuple[Row, ...]
    outer: tuple[Row, ...]
    activations: frozenset[str] = frozenset({"silu", "swish"})
    prefixes: tuple[str, ...] = ("model.", "")
    layer_prefix: str = "layers"
    anchor: str = "embed_tokens.weight"  # a tensor every checkpoint of it has, to find the prefix
    ignored: re.Pattern[str] = re.compile(r"rotary_emb\.inv_freq$")
    has_head: bool = True
    square_attention: bool = False  # llama.cpp takes no head width but width / heads
    default_head_width: int | None = None
    window_pattern: int | None = None  # every n-th layer sees everything, the others a window
    rope_types: frozenset[str] = frozenset({"default", "linear", "yarn"})
    rope_theta: float = 10_000.0
    tied_by_default: bool = False
    is_embedding: bool = False
    refused_values: Mapping[str, object] = field(default_factory=dict)


def _attention(change: Change, *, biases: bool, output_bias: bool = False) -> tuple[Row, ...]:
    rows = [
        Row("self_attn.q_proj.weight", "attn_q.weight", "Q E", change),
        Row("self_attn.k_proj.weight", "attn_k.weight", "K E", change),
        Row("self_attn.v_proj.weight", "attn_v.weight", "K E"),
        Row("self_attn.o_proj.weight", "attn_output.weight", "E Q"),
    ]
    if biases:
        rows += [
            Row("self_attn.q_proj.bias", "attn_q.bias", "Q", change, optional=True),
            Row("self_attn.k_proj.bias", "attn_k.bias", "K", change, optional=True),
            Row("self_attn.v_proj.bias", "attn_v.bias", "K", optional=True),
        ]
    if output_bias:
        rows.append(Row("self_attn.o_proj.bias", "attn_output.bias", "E", optional=True))
    return tuple(rows)


_FFN = (
    Row("mlp.gate_proj.weight", "ffn_gate.weight", "F E"),
    Row("mlp.up_proj.weight", "ffn_up.weight", "F E"),
    Row("mlp.down_proj.weight", "ffn_down.weight", "E F"),
)
_FFN_BIASES = (
    Row("mlp.gate_proj.bias", "ffn_gate.bias", "F", optional=True),
    Row("mlp.up_proj.bias", "ffn_up.bias", "F", optional=True),
    Row("mlp.down_proj.bias", "ffn_down.bias", "E", optional=True),
)
_NORMS = (
    Row("input_layernorm.weight", "attn_norm.weight", "E"),
    Row("post_attention_layernorm.weight", "ffn_norm.weight", "E"),
)
_HEAD_NORMS = (
    Row("self_attn.q_norm.weight", "attn_q_norm.weight", "D"),
    Row("self_attn.k_norm.weight", "attn_k_norm.weight", "D"),
)
_GEMMA_NORMS = tuple(
    Row(f"{source}_layernorm.weight", f"{target}.weight", "E", Change.PLUS_ONE)
    for source, target in (
        ("input", "attn_norm"),
        ("post_attention", "post_attention_norm"),
        ("pre_feedforward", "ffn_norm"),
        ("post_feedforward", "post_ffw_norm"),
    )
)
_GEMMA_HEAD_NORMS = tuple(
    Row(row.source, row.target, row.shape, Change.PLUS_ONE) for row in _HEAD_NORMS
)
_OUTER = (
    Row("embed_tokens.weight", "token_embd.weight", "V E"),
    Row("norm.weight", "output_norm.weight", "E"),
)
_GEMMA_OUTER = (_OUTER[0], Row("norm.weight", "output_norm.weight", "E", Change.PLUS_ONE))
_LLAMA_LAYER = (
    *_NORMS,
    *_attention(Change.INTERLEAVE, biases=True, output_bias=True),
    *_FFN,
    *_FFN_BIASES,
)
_TANH_GELU = frozenset({"gelu_pytorch_tanh"})
_BERT_LAYER = tuple(
    Row(f"{source}.{part}", f"{target}.{part}", shape if part == "weight" else shape.split()[0])
    for source, target, shape in (
        ("attention.self.query", "attn_q", "E E"),
        ("attention.self.key", "attn_k", "E E"),
        ("attention.self.value", "attn_v", "E E"),
        ("attention.output.dense", "attn_output", "E E"),
        ("attention.output.LayerNorm", "attn_output_norm", "E"),
        ("intermediate.dense", "ffn_up", "F E"),
        ("output.dense", "ffn_down", "E F"),
        ("output.LayerNorm", "layer_output_norm", "E"),
    )
    for part in ("weight", "bias")
)
_BERT_OUTER = (
    Row("embeddings.word_embeddings.weight", "token_embd.weight", "V E"),
    Row("embeddings.position_embeddings.weight", "position_embd.weight", "P E", always_f32=True),
    Row("embeddings.token_type_embeddings.weight", "token_types.weight", "T E", always_f32=True),
    Row("embeddings.LayerNorm.weight", "token_embd_norm.weight", "E"),
    Row("embeddings.LayerNorm.bias", "token_embd_norm.bias", "E"),
)

LLAMA = Family(
    "llama",
    _LLAMA_LAYER,
    _OUTER,
    rope_types=frozenset({"default", "linear", "yarn", "llama3", "longrope"}),
)
SMOLLM3 = Family("smollm3", _LLAMA_LAYER, _OUTER, rope_theta=2_000_000.0, tied_by_default=True)
QWEN2 = Family(
    "qwen2", (*_NORMS, *_attention(Change.NONE, biases=True), *_FFN), _OUTER, square_attention=True
)
QWEN3 = Family(
    "qwen3", (*_NORMS, *_attention(Change.NONE, biases=True), *_HEAD_NORMS, *_FFN), _OUTER
)
PHI3 = Family(
    "phi3",
    (
        *_NORMS,
        Row("self_attn.qkv_proj.weight", "attn_qkv.weight", "Q+2K E"),
        Row("self_attn.o_proj.weight", "attn_output.weight", "E Q"),
        Row("mlp.gate_up_proj.weight", "ffn_up.weight", "2F E"),
        Row("mlp.down_proj.weight", "ffn_down.weight", "E F"),
    ),
    _OUTER,
    square_attention=True,
    rope_types=frozenset({"default", "longrope"}),
)
GEMMA2 = Family(
    "gemma2",
    (*_GEMMA_NORMS, *_attention(Change.NONE, biases=False), *_FFN),
    _GEMMA_OUTER,
    activations=_TANH_GELU,
    default_head_width=256,
    window_pattern=2,
    rope_types=frozenset({"default"}),
    tied_by_default=True,
)
GEMMA3 = Family(
    "gemma3",
    (*_GEMMA_NORMS, *_GEMMA_HEAD_NORMS, *_attention(Change.NONE, biases=False), *_FFN),
    _GEMMA_OUTER,
    activations=_TANH_GELU,
    default_head_width=256,
    window_pattern=6,
    rope_types=frozenset({"default", "linear"}),
    rope_theta=1_000_000.0,
    tied_by_default=True,
    refused_values={"use_bidirectional_attention": True},
)
BERT = Family(
    "bert",
    _BERT_LAYER,
    _BERT_OUTER,
    activations=frozenset({"gelu", "gelu_new", "gelu_pytorch_tanh"}),
    prefixes=("bert.", ""),
    layer_prefix="encoder.layer",
    anchor="embeddings.word_embeddings.weight",
    ignored=re.compile(r"^(bert\.)?pooler\.|^cls\.|position_ids$"),
    has_head=False,
    square_attention=True,
    tied_by_default=True,
    is_embedding=True,
)

FAMILIES: Mapping[str, Family] = {
    "LlamaForCausalLM": LLAMA,
    "MistralForCausalLM": LLAMA,
    "SmolLM3ForCausalLM": SMOLLM3,
    "Qwen2ForCausalLM": QWEN2,
    "Qwen3ForCausalLM": QWEN3,
    "Phi3ForCausalLM": PHI3,
    "Gemma2ForCausalLM": GEMMA2,
    "Gemma3ForCausalLM": GEMMA3,
    "BertModel": BERT,
    "BertForMaskedLM": BERT,
}
