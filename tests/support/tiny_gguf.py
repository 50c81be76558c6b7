"""Writes small Llama GGUFs with random weights, for tests and benchmarks.

The vocabulary is byte-level BPE and lossless: 256 bytes, then merges of lower-case letters up to
the size asked for, then the control tokens. Weights are streamed from one block of random numbers,
so that a file of benchmark size takes little memory and about a second. Needs `gguf` and numpy.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import gguf
import numpy as np

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CONTROL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
USER_DEFINED_TOKENS = ("<tool_call>", "</tool_call>")
_NORMAL, _CONTROL, _USER_DEFINED = 1, 3, 4
_N_RANDOM = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A model's sizes; `quantization` is "F32", "F16" or "Q8_0" (matrices; norms stay F32).

    `tied` shares the embedding with the output, which makes a random model repeat itself.
    """

    n_layers: int = 2
    width: int = 64
    n_heads: int = 4
    n_kv_heads: int = 2
    n_ffn: int = 128
    n_vocab: int = 512
    n_ctx_train: int = 2048
    quantization: str = "F32"
    tied: bool = False
    seed: int = 0
    chat_template: str | None = CHATML
    more_control_tokens: tuple[str, ...] = ()


SMALL_135M = Shape(
    n_layers=30,
    width=576,
    n_heads=9,
    n_kv_heads=3,
    n_ffn=1536,
    n_vocab=49_152,
    n_ctx_train=8192,
    quantization="Q8_0",
    tied=True,
)


def byte_characters() -> list[str]:
    """GPT-2's printable stand-in for each of the 256 bytes."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    characters = {byte: chr(byte) for byte in printable}
    others = [byte for byte in range(256) if byte not in characters]
    characters |= {byte: chr(256 + index) for index, byte in enumerate(others)}
    return [characters[byte] for byte in range(256)]


def vocabulary(
    n_vocab: int, more_control_tokens: tuple[str, ...] = ()
) -> tuple[list[str], list[int], list[str]]:
    """Token texts, token types and merges of a vocabulary of `n_vocab` (at least 261) tokens."""
    tokens = byte_characters()
    merges: list[str] = []
    control = [*CONTROL_TOKENS, *more_control_tokens]
    n_merges = n_vocab - len(tokens) - len(control) - len(USER_DEFINED_TOKENS)
    for length in (2, 3, 4):
        for letters in product(ascii_lowercase, repeat=length):
            if len(merges) >= n_merges:
                break
            merges.append(f"{''.join(letters[:-1])} {letters[-1]}")
            tokens.append("".join(letters))
    types = [_NORMAL] * len(tokens)
    types += [_CONTROL] * len(control) + [_USER_DEFINED] * len(USER_DEFINED_TOKENS)
    return [*tokens, *control, *USER_DEFINED_TOKENS], types, merges


def write_tiny_gguf(path: Path, shape: Shape | None = None) -> Path:
    """Write a model of `shape` at `path` and return the path."""
    shape = shape or Shape()
    writer = gguf.GGUFWriter(path, "llama")
    _add_metadata(writer, shape)
    tensors = _tensors(shape)
    for name, size, type_name in tensors:
        kind = gguf.GGMLQuantizationType[type_name]
        writer.add_tensor_info(name, size, np.dtype(np.float32), _n_bytes(size, kind), kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    rng = np.random.default_rng(shape.seed)
    for name, size, type_name in tensors:
        kind = gguf.GGMLQuantizationType[type_name]
        writer.write_tensor_data(_values(rng, name, size, kind))
    writer.close()
    return path


def _add_metadata(writer: Any, shape: Shape) -> None:
    tokens, types, merges = vocabulary(shape.n_vocab, shape.more_control_tokens)
    end = tokens.index("<|im_end|>")
    writer.add_name("tiny")
    writer.add_context_length(shape.n_ctx_train)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.n_layers)
    writer.add_feed_forward_length(shape.n_ffn)
    writer.add_head_count(shape.n_heads)
    writer.add_head_count_kv(shape.n_kv_heads)
    writer.add_rope_dimension_count(shape.width // shape.n_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges(merges)
    writer.add_bos_token_id(tokens.index("<|endoftext|>"))
    writer.add_eos_token_id(end)
    writer.add_add_bos_token(False)
    if shape.chat_template is not None:
        writer.add_chat_template(shape.chat_template)


def _tensors(shape: Shape) -> list[tuple[str, tuple[int, ...], str]]:
    width, matrix = shape.width, shape.quantization
    n_kv = width // shape.n_heads * shape.n_kv_heads
    tensors: list[tuple[str, tuple[int, ...], str]] = [
        ("token_embd.weight", (shape.n_vocab, width), matrix),
        ("output_norm.weight", (width,), "F32"),
    ]
    if not shape.tied:
        tensors.append(("output.weight", (shape.n_vocab, width), matrix))
    for layer in range(shape.n_layers):
        tensors += [
            (f"blk.{layer}.attn_norm.weight", (width,), "F32"),
            (f"blk.{layer}.attn_q.weight", (width, width), matrix),
            (f"blk.{layer}.attn_k.weight", (n_kv, width), matrix),
            (f"blk.{layer}.attn_v.weight", (n_kv, width), matrix),
            (f"blk.{layer}.attn_output.weight", (width, width), matrix),
            (f"blk.{layer}.ffn_norm.weight", (width,), "F32"),
            (f"blk.{layer}.ffn_gate.weight", (shape.n_ffn, width), matrix),
            (f"blk.{layer}.ffn_up.weight", (shape.n_ffn, width), matrix),
            (f"blk.{layer}.ffn_down.weight", (width, shape.n_ffn), matrix),
        ]
    return tensors


def _n_bytes(size: tuple[int, ...], kind: Any) -> int:
    n_block, n_block_bytes = gguf.GGML_QUANT_SIZES[kind]
    return int(np.prod(size)) // int(n_block) * int(n_block_bytes)


def _values(rng: np.random.Generator, name: str, size: tuple[int, ...], kind: Any) -> Any:
    """Tensor data of about unit gain; large ones repeat one random block from a random offset."""
    n = int(np.prod(size))
    if name.endswith("norm.weight"):
        return np.ones(size, np.float32)
    scale = 1.0 if name == "token_embd.weight" else size[-1] ** -0.5
    if kind == gguf.GGMLQuantizationType.Q8_0:
        blocks = np.empty((min(n, _N_RANDOM) // 32, 34), np.uint8)
        blocks[:, :2] = np.frombuffer(np.float16(scale / 73.0).tobytes(), np.uint8)
        blocks[:, 2:] = rng.integers(0, 256, (len(blocks), 32), np.uint8)
        return _repeat(blocks, n // 32, rng)
    numbers = (rng.standard_normal(min(n, _N_RANDOM)) * scale).astype(
        np.float16 if kind == gguf.GGMLQuantizationType.F16 else np.float32
    )
    return _repeat(numbers, n, rng).reshape(size)


def _repeat(block: Any, n: int, rng: np.random.Generator) -> Any:
    rolled = np.roll(block, int(rng.integers(len(block))), axis=0)
    return np.resize(rolled, (n, *block.shape[1:]))
