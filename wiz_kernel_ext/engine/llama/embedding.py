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

from wiz_kernel_ext.engine.backend import Aborted, Batch, DecodeFailed, LibraryRefused, NoRoom
from wiz_kernel_ext.engine.llama.backend import ABORTED, batch_of, is_set, log_tail
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
    params.flash_attn_type = {
        None: c.LLAMA_FLASH_ATTN_TYPE_AUTO,
        True: c.LLAMA_FLASH_ATTN_TYPE_ENABLED,
        False: c.LLAMA_FLASH_ATTN_TYPE_DISABLED,
    }[parameters.flash_attention]
    params.kv_unified = True
    params.no_perf = True
    log_tail.clear()
    context = c.llama_init_from_model(model, params)
    if not context:
        raise LibraryRefused(log_tail.reason() or "not enough memory?", log_tail.lines())
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
        self._abort = (ctypes.c_uint8 * 2)()  # a text: empty, or one byte long
        # What was computed of a broken batch cannot be cut off again there.
        if not (c.llama_model_is_recurrent(model) or c.llama_model_is_hybrid(model)):
            c.llama_set_abort_callback(context, is_set, ctypes.addressof(self._abort))
        n = parameters.batch_size
        self._tokens = (c.llama_token * n)()
        self._positions = (c.llama_pos * n)()
        self._counts = (ctypes.c_int32 * n)(*([1] * n))
        self._flags = (ctypes.c_int8 * n)(*([1] * n))
        self._ids = (c.llama_seq_id * parameters.n_texts)(*range(parameters.n_texts))
        size = ctypes.sizeof(c.llama_seq_id)
        first = ctypes.addressof(self._ids)
        self._id_addresses = [first + i * size for i in range(parameters.n_texts)]
        self._id_pointers = (ctypes.c_void_p * n)()
        self._batch = batch_of(
            self._tokens, self._positions, self._counts, self._id_pointers, self._flags
        )

    def decode(self, batch: Batch) -> None:
        n = len(batch)
        self._batch.n_tokens = n
        self._tokens[:n] = batch.tokens
        self._positions[:n] = batch.positions
        addresses = self._id_addresses
        self._id_pointers[:n] = [addresses[i] for i in batch.sequence_ids]
        code = c.llama_decode(self._context, self._batch)
        self._abort[0], log_tail.is_muted = 0, False
        if code == 1:
            raise NoRoom
        if code == ABORTED:
            raise Aborted
        if code != 0:
            raise DecodeFailed(f"llama_decode returned {code}: {log_tail.reason()}")

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
        log_tail.is_muted = True
        self._abort[0] = 1

    def set_threads(self, threads: int) -> None:
        c.llama_set_n_threads(self._context, threads, threads)

    def close(self) -> None:
        if self._context:
            c.llama_free(self._context)
            self._context = None
