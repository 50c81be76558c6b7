"""Picking a token from a row of logits without an array of the whole vocabulary.

llama.cpp's chains begin with a candidate for every token there is, which costs up to a millisecond
a row and more than all that follows. Where a chain looks at the likeliest few only (greedy, or
top-k first, as the defaults do), those few are found here and the chain runs on them: the same
candidates in the same order, so the same token for the same seed.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import llama_cpp as c
import numpy as np
import numpy.typing as npt

from wiz_kernel_ext.engine.sampling import Stage

Logits = npt.NDArray[np.float32]

_N_PARTS = 32
"""A row is looked at as so many parts side by side: the likeliest `k` tokens lie in the `k`
columns whose largest are largest."""
MOST_FEW = 256
LEAST_VOCAB = 1 << 16
"""Below so many tokens the library's own way is as fast."""
_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])


class Picker:
    """A chain of the library's samplers, `chain`, made of `stages`, and how it is run."""

    def __init__(self, chain: Any, stages: Sequence[Stage], n_vocab: int) -> None:
        self.chain = chain
        first = stages[0]
        self._is_greedy = first.name == "greedy"
        few = first.arguments[0] if first.name == "top_k" else 0
        is_worth_it = 0 < few <= min(MOST_FEW, n_vocab // _N_PARTS) and n_vocab >= LEAST_VOCAB
        self._n_few = few if is_worth_it else 0
        self._candidates = np.zeros(self._n_few, _CANDIDATE)
        self._array = c.llama_token_data_array()
        data = self._candidates.ctypes.data
        self._array.data = ctypes.cast(data, ctypes.POINTER(c.llama_token_data))
        self._n_vocab = n_vocab

    def pick(self, context: Any, row: int) -> int:
        """The token of `row`, one of the last batch's outputs; the chain has accepted it."""
        if not (self._is_greedy or self._n_few):
            return int(c.llama_sampler_sample(self.chain, context, row))
        logits = logits_of(context, row, self._n_vocab)
        if self._is_greedy:  # it keeps nothing of what it accepts
            return int(logits.argmax())
        return self._pick_of_few(logits)

    def _pick_of_few(self, logits: Logits) -> int:
        ids, values = few_likeliest(logits, self._n_few)
        candidates, array = self._candidates, self._array
        candidates["id"], candidates["logit"], candidates["p"] = ids, values, 0.0
        array.size, array.selected, array.sorted = len(ids), -1, True
        c.llama_sampler_apply(self.chain, ctypes.byref(array))
        token = int(candidates["id"][array.selected])
        c.llama_sampler_accept(self.chain, token)
        return token


def logits_of(context: Any, row: int, n_vocab: int) -> Logits:
    """The logits of a row, where the library has them."""
    pointer = c.llama_get_logits_ith(context, row)
    floats = (ctypes.c_float * n_vocab).from_address(ctypes.addressof(pointer.contents))
    logits: Logits = np.ctypeslib.as_array(floats)
    return logits


def restrict(logits: Logits, mask: npt.NDArray[np.uint32]) -> None:
    """Make impossible what a bit of `mask` does not allow."""
    bits = np.unpackbits(mask.view(np.uint8), bitorder="little", count=len(logits))
    np.copyto(logits, -np.inf, where=bits == 0)


def likeliest(logits: Logits) -> tuple[int, float]:
    """The token with the largest logit, and its probability."""
    token = int(logits.argmax())
    return token, float(1.0 / np.exp(logits - logits[token]).sum())


def few_likeliest(logits: Logits, k: int) -> tuple[npt.NDArray[np.intp], Logits]:
    """The `k` tokens with the largest logits and those, the largest first; `k` ≤ n // 32."""
    n = len(logits) // _N_PARTS
    parts = logits[: _N_PARTS * n].reshape(_N_PARTS, n)
    columns = parts.max(axis=0).argpartition(n - k)[n - k :]
    # What is left over at the end is one more row of columns of its own.
    values = np.concatenate([parts[:, columns].ravel(), logits[_N_PARTS * n :]])
    few = values.argpartition(len(values) - k)[len(values) - k :]
    few = few[(-values[few]).argsort(kind="stable")]
    row, column = np.divmod(few, k)
    ids = np.where(row < _N_PARTS, row * n + columns[column], _N_PARTS * (n - k) + few)
    return ids, values[few]
