"""The contract for vectors of texts: what a model says of them, and a context that computes them.

As `backend.py` is for answers. A context of its own, beside the one that answers: here every row of
a batch is an output. Everything but `abort` is called from the engine's thread.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wiz_kernel_ext.engine.backend import Batch
from wiz_kernel_ext.protocol.embedding import Pooling
from wiz_kernel_ext.protocol.results import ModelKind

Vectors = npt.NDArray[np.float32]
"""Rows of `n_dims` numbers; a vector is one of them."""


@dataclass(frozen=True, kw_only=True)
class EmbeddingFacts:
    """How a model makes vectors; `pooling` is None where it does not say, as chat models do not.

    `is_causal`: a token sees those before it only, so a text can be read a piece at a time.
    `writes`: it can answer too. `rerank_template` joins a query and a text, where it has one.
    """

    n_dims: int
    pooling: Pooling | None
    is_causal: bool
    writes: bool
    rerank_template: str | None = None

    @property
    def kind(self) -> ModelKind:
        """What the model is for."""
        if self.pooling == "rank":
            return "reranker"
        return "text" if self.writes else "embedding"

    @property
    def in_pieces(self) -> bool:
        """Whether rows come out, of texts in pieces; else a vector of each whole text does."""
        return self.is_causal and self.writes and self.pooling != "rank"


@dataclass(frozen=True, kw_only=True)
class EmbeddingParameters:
    """How such a context is made: the longest text and a step's most tokens, the texts of a step.

    `packed` is how many tokens of short texts go into a step. `flash_attention` as in
    `ContextParameters`.
    """

    longest: int
    batch_size: int
    packed: int
    n_texts: int
    threads: int
    flash_attention: bool | None = False


class EmbeddingContext(ABC):
    """Memory for the texts of one step, and of the one that goes on in the next.

    Sequences as in `backend.Context`, from 0 to `n_texts` - 1.
    """

    @abstractmethod
    def decode(self, batch: Batch) -> None:
        """Compute `batch`, every row an output; raises as `backend.Context.decode`."""

    @abstractmethod
    def rows(self, n: int) -> Vectors:
        """The last batch's `n` rows, in its order: n × n_dims, good until the next batch."""

    @abstractmethod
    def pooled(self, sequence_id: int) -> Vectors:
        """What the last batch's rows of a sequence became: a vector, or its score alone."""

    @abstractmethod
    def forget(self, sequence_id: int) -> None:
        """Forget a sequence."""

    @abstractmethod
    def clear(self) -> None:
        """Forget all of them."""

    @abstractmethod
    def abort(self) -> None:
        """As `backend.Context.abort`; from any thread."""

    @abstractmethod
    def set_threads(self, threads: int) -> None:
        """Compute with `threads` threads from the next batch on."""

    @abstractmethod
    def close(self) -> None:
        """Give the memory back."""
