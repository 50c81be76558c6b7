"""One call of `llama_decode`: a batch over arrays of ours, the way to break it off, and its end.

What a context that answers and one that makes vectors have in common.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import llama_cpp as c

from wiz_kernel_ext.engine.backend import Aborted, Batch, DecodeFailed, LibraryRefused, NoRoom
from wiz_kernel_ext.engine.llama.log_tail import LogTail

_ABORTED = 2
# Asked before each node of the graph, on one of the threads that compute: so not in Python, whose
# lock it would have to wait for. The length of a text at an address is "false" while its first byte
# is zero.
_is_set = c.ggml_abort_callback(ctypes.cast(ctypes.CDLL(None).strlen, ctypes.c_void_p).value)

log_tail = LogTail(sys.stderr.write)


class Step:
    """Room for `n_rows` rows of the sequences 0 to `n_ids` - 1, computed on `context`.

    `outputs` are all rows, or those that a batch names. Where it cannot be aborted, what was
    computed of a broken batch could not be cut off again.
    """

    def __init__(
        self, context: Any, n_rows: int, n_ids: int, *, can_abort: bool, every_row: bool = False
    ) -> None:
        self._context = context
        self._every_row = every_row
        self._abort = (ctypes.c_uint8 * 2)()  # a text: empty, or one byte long
        if can_abort:
            c.llama_set_abort_callback(context, _is_set, ctypes.addressof(self._abort))
        self._tokens = (c.llama_token * n_rows)()
        self._positions = (c.llama_pos * n_rows)()
        self._counts = (ctypes.c_int32 * n_rows)(*([1] * n_rows))
        self._flags = (ctypes.c_int8 * n_rows)(*([int(every_row)] * n_rows))
        self._ids = (c.llama_seq_id * n_ids)(*range(n_ids))
        first, size = ctypes.addressof(self._ids), ctypes.sizeof(c.llama_seq_id)
        self._id_addresses = [first + i * size for i in range(n_ids)]
        self._id_pointers = (ctypes.c_void_p * n_rows)()
        self._token_pointer = ctypes.cast(self._tokens, ctypes.POINTER(c.llama_token))
        self._batch = batch = c.llama_batch()
        batch.token, batch.embd = self._token_pointer, None
        batch.pos = ctypes.cast(self._positions, ctypes.POINTER(c.llama_pos))
        batch.n_seq_id = ctypes.cast(self._counts, ctypes.POINTER(ctypes.c_int32))
        batch.seq_id = ctypes.cast(
            self._id_pointers, ctypes.POINTER(ctypes.POINTER(c.llama_seq_id))
        )
        batch.logits = ctypes.cast(self._flags, ctypes.POINTER(ctypes.c_int8))

    def compute(self, batch: Batch, embeddings: Any = None) -> None:
        """Compute `batch`: of its tokens, or of `embeddings`, a pointer to a row for each.

        Raises NoRoom, Aborted, DecodeFailed.
        """
        n = len(batch)
        self._batch.n_tokens = n
        # Whole columns are filled by one slice each.
        if embeddings:
            self._batch.token, self._batch.embd = None, embeddings
        else:
            self._batch.token, self._batch.embd = self._token_pointer, None
            self._tokens[:n] = batch.tokens
        self._positions[:n] = batch.positions
        addresses = self._id_addresses
        self._id_pointers[:n] = [addresses[i] for i in batch.sequence_ids]
        if not self._every_row:
            ctypes.memset(self._flags, 0, n)
            for row in batch.outputs:
                self._flags[row] = 1
        code = c.llama_decode(self._context, self._batch)
        self._abort[0], log_tail.is_muted = 0, False
        if code == 1:
            raise NoRoom
        if code == _ABORTED:
            raise Aborted
        if code != 0:
            raise DecodeFailed(f"llama_decode returned {code}: {log_tail.reason()}")

    def abort(self) -> None:
        """Break off the call under way, or else the next; from any thread."""
        log_tail.is_muted = True
        self._abort[0] = 1


FLASH_ATTENTION = {
    None: c.LLAMA_FLASH_ATTN_TYPE_AUTO,
    True: c.LLAMA_FLASH_ATTN_TYPE_ENABLED,
    False: c.LLAMA_FLASH_ATTN_TYPE_DISABLED,
}


def opened(model: Any, params: Any) -> Any:
    """A `llama_context` of `params`; raises LibraryRefused with the library's words."""
    params.kv_unified = True
    params.no_perf = True
    log_tail.clear()
    context = c.llama_init_from_model(model, params)
    if not context:
        raise LibraryRefused(log_tail.reason() or "not enough memory?", log_tail.lines())
    return context
