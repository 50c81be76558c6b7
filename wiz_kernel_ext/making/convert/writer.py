"""Writes the GGUF: keys, vocabulary, then one tensor after the other.

Knows gguf-py's writer, which packs the keys; the data goes past it in blocks, so that no tensor is
ever whole in memory. Called by `job.py`; `verification.py` has vocabularies written by it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from wiz_kernel_ext.making.convert.numbers import N_THREADS, encoded
from wiz_kernel_ext.making.convert.plan import ALIGNMENT, OUT_TYPES, Plan, PlannedTensor
from wiz_kernel_ext.making.convert.special_tokens import SpecialTokens
from wiz_kernel_ext.making.convert.vocabulary import Vocabulary


@dataclass(frozen=True)
class Keys:
    """Everything a GGUF says before its tensors."""

    architecture: str
    general: Mapping[str, str]
    vocabulary: Vocabulary
    special: SpecialTokens
    n_token_types: int | None = None


def write_vocabulary(path: Path, keys: Keys, pre: str | None) -> None:
    """Write a GGUF without tensors at `path`, for llama.cpp to tokenize by."""
    writer = _writer(path, keys, pre)
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
    finally:
        writer.close()


def write_model(
    path: Path, plan: Plan, keys: Keys, pre: str | None, on_bytes: Callable[[int], None]
) -> None:
    """Write the whole model at `path`; `on_bytes` hears of every stretch of the checkpoint done.

    On the disk when it returns. Raises ConversionRefused for impossible numbers, OSError.
    """
    writer = _writer(path, keys, pre)
    try:
        for name, value in plan.facts.items():
            _add(writer, f"{keys.architecture}.{name}", value)
        write_tensors(writer, plan.tensors, plan.out_type, on_bytes)
    finally:
        writer.close()


def write_tensors(
    writer: Any, tensors: Sequence[PlannedTensor], out_type: str, on_bytes: Callable[[int], None]
) -> None:
    """Write a file whose keys `writer` has, with these tensors; `on_bytes` as in `write_model`.

    On the disk when it returns.
    """
    writer.add_file_type(OUT_TYPES[out_type][2])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    for tensor in tensors:
        writer.add_tensor_info(
            tensor.name,
            tensor.shape,
            np.dtype(np.float32),
            tensor.size_bytes,
            gguf.GGMLQuantizationType[tensor.kind],
        )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    stream = writer.fout[0]
    with ThreadPoolExecutor(N_THREADS) as pool:
        for tensor in tensors:
            _write_data(stream, tensor, pool, on_bytes)
    stream.flush()
    os.fsync(stream.fileno())


def _write_data(
    stream: Any, tensor: PlannedTensor, pool: ThreadPoolExecutor, on_bytes: Callable[[int], None]
) -> None:
    """Write one tensor's numbers where `stream` is, padded; `on_bytes` as in `write_model`."""
    stream.write(bytes(-stream.tell() % ALIGNMENT))
    start = stream.tell()
    for block, n_bytes in encoded(tensor, pool):
        stream.write(block.data)
        on_bytes(n_bytes)
    n_written = stream.tell() - start
    assert n_written == tensor.size_bytes, f"{tensor.name}: {n_written} bytes"
    stream.write(bytes(-n_written % ALIGNMENT))


def _writer(path: Path, keys: Keys, pre: str | None) -> Any:
    writer = gguf.GGUFWriter(path, keys.architecture)
    for name, text in keys.general.items():
        writer.add_string(name, text)
    vocabulary, special = keys.vocabulary, keys.special
    writer.add_tokenizer_model(vocabulary.model)
    if pre is not None:
        writer.add_tokenizer_pre(pre)
    elif vocabulary.model == "llama":
        writer.add_tokenizer_pre("default")
    writer.add_token_list(vocabulary.tokens)
    writer.add_token_types(vocabulary.types)
    if vocabulary.scores is not None:
        writer.add_token_scores(vocabulary.scores)
    if vocabulary.merges:
        writer.add_token_merges(vocabulary.merges)
    if keys.n_token_types is not None:
        writer.add_token_type_count(keys.n_token_types)
    for role, number in special.ids.items():
        writer.add_uint32(f"tokenizer.ggml.{role}_token_id", number)
    if vocabulary.model != "bert":
        writer.add_add_bos_token(special.add_bos)
        writer.add_add_eos_token(special.add_eos)
    switches = {
        "add_space_prefix": vocabulary.adds_space_prefix,
        "normalizer.lowercase": vocabulary.lowercase,
        "normalizer.strip_accents": vocabulary.strip_accents,
    }
    for name, value in switches.items():
        if value is not None:
            writer.add_bool(f"tokenizer.ggml.{name}", value)
    for name, template in special.templates.items():
        suffix = "" if name == "default" else f".{name}"
        writer.add_string(f"tokenizer.chat_template{suffix}", template)
    return writer


def _add(writer: Any, name: str, value: bool | int | float | str | list[bool]) -> None:
    if isinstance(value, bool):
        writer.add_bool(name, value)
    elif isinstance(value, int):
        writer.add_uint32(name, value)
    elif isinstance(value, float):
        writer.add_float32(name, value)
    elif isinstance(value, str):
        writer.add_string(name, value)
    else:
        writer.add_array(name, value)
