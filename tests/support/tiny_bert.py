"""Writes small BERT GGUFs with random weights: an encoder that makes vectors, or rates pairs.

The vocabulary is WordPiece: single letters and digits, beginning a word or continuing one, and the
words of `WORDS`. Needs `gguf` and numpy.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from string import ascii_lowercase, digits
from typing import Literal

import gguf
import numpy as np

WORDS = (
    *("the", "a", "of", "and", "to", "in", "is", "was", "it", "for", "on", "as", "with", "his"),
    *("cat", "dog", "house", "garden", "river", "engine", "model", "memory", "paper", "light"),
    *("north", "south", "green", "small", "large", "old", "new", "quick", "slow", "warm", "cold"),
    *("runs", "sleeps", "writes", "reads", "finds", "keeps", "makes", "knows", "asks", "gives"),
)
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_POOLING = {"mean": 1, "cls": 2, "last": 3, "rank": 4}


@dataclass(frozen=True, kw_only=True)
class BertShape:
    """A model's sizes; with the pooling "rank" it has a head that rates what it reads."""

    n_layers: int = 2
    width: int = 48
    n_heads: int = 4
    n_ffn: int = 96
    n_ctx_train: int = 64
    pooling: Literal["mean", "cls", "last", "rank"] | None = "mean"
    n_vocab: int = 0
    seed: int = 0


def write_tiny_bert(path: Path, shape: BertShape | None = None) -> Path:
    """Write a model of `shape` at `path` and return the path."""
    shape = shape or BertShape()
    writer = gguf.GGUFWriter(path, "bert")
    tokens = _tokens(shape.n_vocab)
    writer.add_name("tiny bert")
    writer.add_context_length(shape.n_ctx_train)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.n_layers)
    writer.add_feed_forward_length(shape.n_ffn)
    writer.add_head_count(shape.n_heads)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    if shape.pooling is not None:
        writer.add_pooling_type(gguf.PoolingType(_POOLING[shape.pooling]))
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token in SPECIAL else 1 for token in tokens])
    writer.add_token_type_count(2)
    writer.add_bos_token_id(tokens.index("[CLS]"))
    writer.add_sep_token_id(tokens.index("[SEP]"))
    writer.add_unk_token_id(tokens.index("[UNK]"))
    writer.add_pad_token_id(tokens.index("[PAD]"))
    rng = np.random.default_rng(shape.seed)
    for name, size in _tensors(shape, len(tokens)):
        writer.add_tensor(name, _values(rng, name, size))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _tokens(n_vocab: int) -> list[str]:
    """As llama.cpp has them: what begins a word is marked, not what continues one."""
    letters = [*ascii_lowercase, *digits]
    begins = [f"\u2581{piece}" for piece in [*letters, *".,?!", *(w for w in WORDS if w != "a")]]
    known = [*SPECIAL, *begins, *letters]
    return known + [f"\u2581[unused{i}]" for i in range(max(0, n_vocab - len(known)))]


def _tensors(shape: BertShape, n_vocab: int) -> list[tuple[str, tuple[int, ...]]]:
    width, n_ffn = shape.width, shape.n_ffn
    found: list[tuple[str, tuple[int, ...]]] = [
        ("token_embd.weight", (n_vocab, width)),
        ("position_embd.weight", (shape.n_ctx_train, width)),
        ("token_types.weight", (2, width)),
        ("token_embd_norm.weight", (width,)),
        ("token_embd_norm.bias", (width,)),
    ]
    for layer in range(shape.n_layers):
        sizes = {
            **{f"attn_{name}": (width, width) for name in ("q", "k", "v", "output")},
            "attn_output_norm": (width,),
            "ffn_up": (n_ffn, width),
            "ffn_down": (width, n_ffn),
            "layer_output_norm": (width,),
        }
        for name, size in sizes.items():
            found.append((f"blk.{layer}.{name}.weight", size))
            found.append((f"blk.{layer}.{name}.bias", size[:1]))
    if shape.pooling == "rank":
        found += [("cls.weight", (width, width)), ("cls.bias", (width,))]
        found += [("cls.output.weight", (1, width)), ("cls.output.bias", (1,))]
    return found


def _values(rng: np.random.Generator, name: str, size: tuple[int, ...]) -> np.ndarray:
    if name.endswith("norm.weight"):
        return np.ones(size, np.float32)
    scale = 0.1 if name.endswith("bias") else 1.5 * size[-1] ** -0.5
    return (rng.standard_normal(size) * scale).astype(np.float32)
