"""The contract for vectors computed with arithmetic: a row depends on all tokens before it.

So a text read in pieces, in whatever company, has the vector of the text read at once, or the
wrong one where a piece went missing, came twice or was mixed with another's.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

from tests.engine.fake_backend import FakeClock
from wiz_kernel_ext.engine.backend import Aborted, Batch, DecodeFailed, NoRoom
from wiz_kernel_ext.engine.vectors import (
    EmbeddingContext,
    EmbeddingFacts,
    EmbeddingParameters,
    Vectors,
)


def row_of(tokens: Sequence[int], n_dims: int = 4) -> Vectors:
    """The row of the last of `tokens`."""
    seed = zlib.crc32(b"".join(t.to_bytes(2, "big") for t in tokens))
    return np.array([(seed >> 8 * i & 255) / 255 for i in range(n_dims)], np.float32)


def vector_of(tokens: Sequence[int], pooling: str = "mean") -> Vectors:
    """The vector of a text: what a model that computes right makes of it."""
    rows = [row_of(tokens[: i + 1]) for i in range(len(tokens))]
    if pooling == "rank":
        return rows[-1][:1]
    chosen: dict[str, Vectors] = {"cls": rows[0], "last": rows[-1], "mean": np.mean(rows, axis=0)}
    return chosen[pooling]


class FakeEmbeddingContext(EmbeddingContext):
    """Memory as the parameters say; a step takes `row_s` on `clock` for each of its rows."""

    def __init__(
        self,
        parameters: EmbeddingParameters,
        facts: EmbeddingFacts,
        clock: FakeClock | None = None,
    ) -> None:
        self.parameters = parameters
        self.facts = facts
        self.clock = clock
        self.row_s = 0.001
        self.n_cells = parameters.longest + parameters.batch_size
        self.cells: dict[int, list[int]] = {}
        self.batches: list[Batch] = []
        self.fail_next = False
        self.is_aborted = False
        self.closed = False

    def decode(self, batch: Batch) -> None:
        if self.is_aborted:
            self.is_aborted = False
            raise Aborted
        assert 0 < len(batch) <= self.parameters.batch_size
        assert batch.outputs == list(range(len(batch)))
        if self.clock is not None:
            self.clock.now += self.row_s * len(batch)
        if self.fail_next:
            self.fail_next = False
            raise DecodeFailed("as asked")
        if len(batch) + sum(map(len, self.cells.values())) > self.n_cells:
            raise NoRoom
        self.batches.append(batch)
        self._rows: list[Vectors] = []
        for token, position, sequence_id in zip(
            batch.tokens, batch.positions, batch.sequence_ids, strict=True
        ):
            cells = self.cells.setdefault(sequence_id, [])
            assert position == len(cells), "a text must go on where it ended"
            cells.append(token)
            self._rows.append(row_of(cells, self.facts.n_dims))

    def rows(self, n: int) -> Vectors:
        assert self.facts.in_pieces and n == len(self._rows)
        return np.stack(self._rows)

    def pooled(self, sequence_id: int) -> Vectors:
        assert not self.facts.in_pieces
        return vector_of(self.cells[sequence_id], self.facts.pooling or "mean")

    def forget(self, sequence_id: int) -> None:
        self.cells.pop(sequence_id, None)

    def clear(self) -> None:
        self.cells.clear()

    def abort(self) -> None:
        self.is_aborted = True

    def set_threads(self, threads: int) -> None:
        """Nothing computes here."""

    def close(self) -> None:
        self.closed = True
