"""Runs a GGUF by llama.cpp's low-level API: logits, hidden states, token ids. In this process."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import llama_cpp as c
import numpy as np
import numpy.typing as npt

from wiz_kernel_ext.engine.llama.adapters import load_adapter, use_adapters
from wiz_kernel_ext.engine.llama.backend import load_vocabulary
from wiz_kernel_ext.engine.llama.step import log_tail
from wiz_kernel_ext.making.convert.job import Job, run
from wiz_kernel_ext.making.convert.report import ConversionReport

Array = npt.NDArray[Any]


def tokenize(file: Path, texts: list[str]) -> list[list[int]]:
    """What the child process of the converter does, without the process."""
    model = load_vocabulary(str(file))
    return [model.tokenize(text, parse_special=True) for text in texts]


def converted(
    source: Path, target: Path, out_type: str = "f32", **options: Any
) -> ConversionReport:
    """Convert in this process."""
    job = Job(source, target, out_type, **options)
    return run(job, lambda done, total: None, lambda text: None, tokenize)


def llama_logits(
    file: Path, ids: Sequence[int], n_context: int = 64, adapter: Path | None = None
) -> Array:
    """Logits [token, vocabulary], with an F32 cache; `adapter` is a LoRA file."""
    return _run(file, ids, n_context, embeddings=False, adapter=adapter)


def llama_states(file: Path, ids: Sequence[int], *, pooled: bool) -> Array:
    """Hidden states [token, width], or the pooled one [1, width]."""
    return _run(file, ids, len(ids), embeddings=True, pooled=pooled)


def _run(
    file: Path,
    ids: Sequence[int],
    n_context: int,
    *,
    embeddings: bool,
    pooled: bool = False,
    adapter: Path | None = None,
) -> Array:
    c.llama_backend_init()
    model = c.llama_model_load_from_file(str(file).encode(), c.llama_model_default_params())
    assert model, f"llama.cpp did not load {file}"
    params = c.llama_context_default_params()
    params.n_ctx = n_context
    params.n_batch = params.n_ubatch = max(len(ids), 32)
    params.type_k = params.type_v = c.GGML_TYPE_F32
    params.flash_attn_type = c.LLAMA_FLASH_ATTN_TYPE_DISABLED
    params.n_threads = params.n_threads_batch = 1
    params.embeddings = embeddings
    if embeddings and not pooled:
        params.pooling_type = c.LLAMA_POOLING_TYPE_NONE
    context = c.llama_init_from_model(model, params)
    assert context
    if adapter is not None:
        loaded = load_adapter(model, str(file), str(adapter), log_tail)
        use_adapters(context, [(loaded, 1.0)])
    n = len(ids)
    batch = c.llama_batch_init(n, 0, 1)
    batch.n_tokens = n
    for i, token in enumerate(ids):
        batch.token[i], batch.pos[i], batch.n_seq_id[i] = token, i, 1
        batch.seq_id[i][0], batch.logits[i] = 0, 1
    assert c.llama_decode(context, batch) == 0
    if embeddings:
        width = c.llama_model_n_embd(model)
        if pooled:
            rows = [c.llama_get_embeddings_seq(context, 0)]
        else:
            rows = [c.llama_get_embeddings_ith(context, i) for i in range(n)]
    else:
        width = c.llama_vocab_n_tokens(c.llama_model_get_vocab(model))
        rows = [c.llama_get_logits_ith(context, i) for i in range(n)]
    kind = ctypes.c_float * width
    values = np.array([np.frombuffer(kind.from_address(_address(r)), np.float32) for r in rows])
    c.llama_batch_free(batch)
    c.llama_free(context)
    c.llama_model_free(model)
    return values


def _address(pointer: Any) -> int:
    return int(ctypes.addressof(pointer.contents))
