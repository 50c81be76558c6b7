"""Writes GGUF bytes by hand, so that tests can write wrong ones too."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

Metadata = dict[str, tuple[int, Any]]
"""Values by key, each with its type's number (an array: the pair of (9, (item type, values)))."""

_SCALARS = {0: "<B", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q"}
U32, F32, BOOL, TEXT, ARRAY = 4, 6, 7, 8, 9


def text(value: str) -> bytes:
    """A string with its length."""
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def value(kind: int, item: Any) -> bytes:
    """One value, without its type."""
    if kind == TEXT:
        return text(item)
    if kind == ARRAY:
        item_kind, items = item
        return struct.pack("<IQ", item_kind, len(items)) + b"".join(
            value(item_kind, i) for i in items
        )
    return struct.pack(_SCALARS[kind], item)


def tensor(name: str, shape: Sequence[int], kind: int, offset: int) -> bytes:
    """One row of the tensor list."""
    return (
        text(name)
        + struct.pack("<I", len(shape))
        + b"".join(struct.pack("<Q", n) for n in shape)
        + struct.pack("<IQ", kind, offset)
    )


def gguf_bytes(
    metadata: Metadata, tensors: Sequence[bytes] = (), data: bytes = b"", alignment: int = 32
) -> bytes:
    """A file: header, padding, data."""
    header = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    for key, (kind, item) in metadata.items():
        header += text(key) + struct.pack("<I", kind) + value(kind, item)
    header += b"".join(tensors)
    return header + b"\0" * (-len(header) % alignment if tensors else 0) + data


def llama_metadata(n_layers: int = 2, n_vocab: int = 300, n_ctx_train: int = 2048) -> Metadata:
    """What a small Llama's header says."""
    return {
        "general.architecture": (TEXT, "llama"),
        "general.name": (TEXT, "Little"),
        "general.file_type": (U32, 7),
        "llama.block_count": (U32, n_layers),
        "llama.context_length": (U32, n_ctx_train),
        "llama.embedding_length": (U32, 64),
        "llama.attention.head_count": (U32, 4),
        "llama.attention.head_count_kv": (U32, 2),
        "tokenizer.ggml.model": (TEXT, "gpt2"),
        "tokenizer.ggml.pre": (TEXT, "gpt-2"),
        "tokenizer.ggml.tokens": (ARRAY, (TEXT, [f"t{i}" for i in range(n_vocab)])),
        "tokenizer.ggml.scores": (ARRAY, (F32, [0.0] * n_vocab)),
        "tokenizer.chat_template": (TEXT, "{{ messages }}"),
    }


def small_model(payload_bytes: int = 4096, **shape: int) -> bytes:
    """A well-formed file with one F32 tensor of about `payload_bytes` of zeros."""
    n = payload_bytes // 4
    return gguf_bytes(
        llama_metadata(**shape), [tensor("token_embd.weight", [n], 0, 0)], b"\0" * (4 * n)
    )
