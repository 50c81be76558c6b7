"""The contract for vectors on llama.cpp: a context whose rows are all outputs.

One without memory (an encoder) computes a batch by itself; one with memory goes on with a text. The
library reserves logits for each output row too, whether or not anybody looks at them, so a step is
no longer than what `MOST_LOGITS_BYTES` hold.
"""

from __future__ import annotations

import ctypes
from typing import Any

import llama_cpp as c
import numpy as np

from wiz_kernel_ext.engine.backend import Batch
from wiz_kernel_ext.engine.llama.step import FLASH_ATTENTION, Step, opened
from wiz_kernel_ext.engine.vectors import (
    EmbeddingContext,
    EmbeddingFacts,
    EmbeddingParameters,
    Vectors,
)

_POOLING = {
    "mean": c.LLAMA_POOLING_TYPE_MEAN,
    "cls": c.LLAMA_POOLING_TYPE_CLS,
    "last": c.LLAMA_POOLING_TYPE_LAST,
    "rank": c.LLAMA_POOLING_TYPE_RANK,
}


def open_context(
    model: Any, facts: EmbeddingFacts, parameters: EmbeddingParameters
) -> LlamaEmbeddingContext:
    """A context on `model` (a `llama_model`); raises LibraryRefused."""
    params = c.llama_context_default_params()
    # What goes on in the next step, and that step.
    params.n_ctx = parameters.longest + parameters.batch_size
    params.n_batch = params.n_ubatch = params.n_outputs_max = parameters.batch_size
    params.n_seq_max = parameters.n_texts
    params.n_threads = params.n_threads_batch = parameters.threads
    params.embeddings = True
    params.pooling_type = (
        c.LLAMA_POOLING_TYPE_NONE if facts.in_pieces else _POOLING[facts.pooling or "mean"]
    )
    params.flash_attn_type = FLASH_ATTENTION[parameters.flash_attention]
    context = opened(model, params)
    return LlamaEmbeddingContext(context, model, facts, parameters)


class LlamaEmbeddingContext(EmbeddingContext):
    """A `llama_context` that makes vectors, and one reusable batch."""

    def __init__(
        self, context: Any, model: Any, facts: EmbeddingFacts, parameters: EmbeddingParameters
    ) -> None:
        self._context = context
        self._memory = c.llama_get_memory(context)
        self._n_dims = facts.n_dims
        self._n_pooled = 1 if facts.pooling == "rank" else facts.n_dims
        self._step = Step(
            context,
            parameters.batch_size,
            parameters.n_texts,
            can_abort=not (c.llama_model_is_recurrent(model) or c.llama_model_is_hybrid(model)),
            every_row=True,
        )

    def decode(self, batch: Batch) -> None:
        self._step.compute(batch)

    def rows(self, n: int) -> Vectors:
        return self._floats(c.llama_get_embeddings(self._context), n * self._n_dims).reshape(n, -1)

    def pooled(self, sequence_id: int) -> Vectors:
        pointer = c.llama_get_embeddings_seq(self._context, sequence_id)
        return self._floats(pointer, self._n_pooled)

    def _floats(self, pointer: Any, n: int) -> Vectors:
        if not pointer:
            raise RuntimeError("llama.cpp gives no vectors for this model")
        address = ctypes.addressof(pointer.contents)
        found: Vectors = np.ctypeslib.as_array((ctypes.c_float * n).from_address(address))
        return found

    def forget(self, sequence_id: int) -> None:
        if self._memory:
            c.llama_memory_seq_rm(self._memory, sequence_id, 0, -1)

    def clear(self) -> None:
        if self._memory:
            c.llama_memory_clear(self._memory, False)

    def abort(self) -> None:
        self._step.abort()

    def set_threads(self, threads: int) -> None:
        c.llama_set_n_threads(self._context, threads, threads)

    def close(self) -> None:
        if self._context:
            c.llama_free(self._context)
            self._context = None
