"""A step with pieces of images, as the library computes it: tokens and embeddings apart.

A `llama_batch` has either. So each sequence's rows are cut where the kind changes, and the pieces
of all sequences are put together again, one library call after the other; the rows whose logits are
wanted are all in the last one, since logits are there until the next call.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np

from wiz_kernel_ext.engine.backend import Batch
from wiz_kernel_ext.engine.images import Row


@dataclass
class Part:
    """What one call computes: `row_of` says where the step's rows are in it."""

    is_image: bool
    batch: Batch = field(default_factory=Batch)
    row_of: dict[int, int] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    starts: dict[int, int] = field(default_factory=dict)
    """The position where each sequence goes on in it."""

    def add(self, batch: Batch, rows: list[int]) -> None:
        """Take these rows of a step."""
        for row in rows:
            self.row_of[row] = len(self.batch)
            self.batch.tokens.append(batch.tokens[row])
            self.batch.positions.append(batch.positions[row])
            self.batch.sequence_ids.append(batch.sequence_ids[row])
            self.starts.setdefault(batch.sequence_ids[row], batch.positions[row])
            if self.is_image:
                self.rows.append(batch.embeddings[row])


def parts_of(batch: Batch) -> list[Part]:
    """The calls that compute `batch`, in order."""
    runs: dict[int, list[list[int]]] = {}
    of_kind = groupby(
        range(len(batch)), lambda row: (batch.sequence_ids[row], row in batch.embeddings)
    )
    for (sequence_id, _), rows in of_kind:
        runs.setdefault(sequence_id, []).append(list(rows))

    def is_image(run: list[int]) -> bool:
        return run[0] in batch.embeddings

    last = Part(is_image=False)
    for own in runs.values():
        if not is_image(own[-1]):
            last.add(batch, own.pop())
    parts: list[Part] = []
    while any(runs.values()):
        # Tokens stand before pieces, or are out of the way already.
        part = Part(is_image=not any(own and not is_image(own[0]) for own in runs.values()))
        for own in runs.values():
            if own and is_image(own[0]) == part.is_image:
                part.add(batch, own.pop(0))
        parts.append(part)
    if len(last.batch):
        parts.append(last)
    parts[-1].batch.outputs.extend(parts[-1].row_of[row] for row in batch.outputs)
    return parts


class ImageRows:
    """Room for the embeddings of one call, at most `n` rows of `width`; none before it is used."""

    def __init__(self, n: int, width: int) -> None:
        self._shape = (n, width)
        self._rows: Any = None

    def fill(self, part: Part) -> Any:
        """A pointer to the embeddings of `part`, until the next call."""
        if self._rows is None:
            self._rows = np.empty(self._shape, np.float32)
        self._rows[: len(part.rows)] = part.rows
        return self._rows.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
