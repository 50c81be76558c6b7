"""What a header says of a model: its architecture, sizes, context, tokenizer and template.

Every key is optional in the wild; a missing or odd one is 0, "" or None here, never an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from wiz_kernel_ext.gguf_file.cursor import GgufArray
from wiz_kernel_ext.gguf_file.header import Header
from wiz_kernel_ext.gguf_file.kinds import READERS
from wiz_kernel_ext.gguf_file.types import FILE_TYPES

_MAX_LAYERS = 4096


@dataclass(frozen=True, kw_only=True)
class ModelShape:
    """The sizes that memory depends on; lengths in values, `n_ctx_train` in tokens.

    `kv_values` is how many values of the KV cache one token takes, over all layers;
    `state_values` what a recurrent model keeps for one sequence, however long. `n_ffn` is the
    widest layer's, with all experts that work at once.
    """

    name: str
    architecture: str
    quant: str
    n_params: int
    n_layers: int
    n_ctx_train: int
    n_embd: int
    n_ffn: int
    n_heads: int
    n_vocab: int
    n_experts: int
    kv_values: int
    state_values: int
    tokenizer: str
    chat_template: str | None
    n_parts: int


def model_shape(header: Header) -> ModelShape:
    """The shape of the model that `header` describes."""
    metadata = header.metadata
    architecture = _text(metadata.get("general.architecture"))

    def number(key: str) -> int:
        return _number(metadata.get(f"{architecture}.{key}"))

    n_layers = min(number("block_count"), _MAX_LAYERS)
    n_embd, heads = number("embedding_length"), metadata.get(f"{architecture}.attention.head_count")
    n_heads = max(_by_layer(heads, 1), default=0)
    head_size = n_embd // n_heads if n_heads else 0
    key_length = number("attention.key_length") or head_size
    value_length = number("attention.value_length") or head_size
    kv_heads = metadata.get(f"{architecture}.attention.head_count_kv", heads)
    inner, conv, state = (
        number(f"ssm.{key}") for key in ("inner_size", "conv_kernel", "state_size")
    )
    n_ffn = max(_by_layer(metadata.get(f"{architecture}.feed_forward_length"), 1), default=0)
    n_ffn_experts = number("expert_feed_forward_length") * number("expert_used_count")
    tokens = metadata.get("tokenizer.ggml.tokens")
    return ModelShape(
        name=_text(metadata.get("general.name")),
        architecture=architecture,
        quant=FILE_TYPES.get(_number(metadata.get("general.file_type"), -1), "")
        or _commonest_type(header),
        n_params=sum(_n_values(tensor.shape) for tensor in header.tensors),
        n_layers=n_layers,
        n_ctx_train=number("context_length"),
        n_embd=n_embd,
        n_ffn=max(n_ffn, n_ffn_experts),
        n_heads=n_heads,
        n_vocab=tokens.count if isinstance(tokens, GgufArray) else number("vocab_size"),
        n_experts=number("expert_count"),
        kv_values=0
        if architecture in READERS
        else sum(_by_layer(kv_heads, n_layers)) * (key_length + value_length),
        state_values=n_layers * inner * (max(conv - 1, 0) + state),
        tokenizer=" ".join(
            filter(
                None,
                (_text(metadata.get(f"tokenizer.ggml.{key}")) for key in ("model", "pre")),
            )
        ),
        chat_template=_text(metadata.get("tokenizer.chat_template")) or None,
        n_parts=max(_number(metadata.get("split.count")), 1),
    )


def _commonest_type(header: Header) -> str:
    """The type that holds most bytes, for files that do not name theirs."""
    sizes: dict[str, int] = {}
    for tensor in header.tensors:
        sizes[tensor.type.name] = sizes.get(tensor.type.name, 0) + tensor.size_bytes
    return max(sizes, key=sizes.__getitem__, default="")


def _by_layer(value: Any, n_layers: int) -> list[int]:
    if isinstance(value, GgufArray):
        return [_number(item) for item in value.values[:_MAX_LAYERS]]
    return [_number(value)] * n_layers


def _n_values(shape: tuple[int, ...]) -> int:
    n = 1
    for length in shape:
        n *= length
    return n


def _number(value: Any, default: int = 0) -> int:
    return (
        value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else default
    )


def _text(value: Any) -> str:
    # What a stranger's file says ends up on a terminal: no control characters but line ends.
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "", value) if isinstance(value, str) else ""
