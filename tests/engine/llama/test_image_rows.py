"""A step in parts: every row once, each sequence in order, and all that is wanted in the last."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wiz_kernel_ext.engine.backend import Batch
from wiz_kernel_ext.engine.llama.image_rows import parts_of

TOKENS = st.lists(st.integers(-3, 3).filter(bool), min_size=1, max_size=12)


@given(st.lists(TOKENS, min_size=1, max_size=4))
def test_parts_hold_every_row_once_in_order_and_end_with_what_is_wanted(
    sequences: list[list[int]],
) -> None:
    batch = Batch()
    wanted: list[int] = []
    for number, tokens in enumerate(sequences):
        images = {place: np.full(2, token, np.float32) for place, token in enumerate(tokens)}
        n_outputs = int(tokens[-1] > 0)
        wanted += batch.add(number, 0, tokens, n_outputs=n_outputs, images=images)
    if not wanted:
        return
    parts = parts_of(batch)
    assert sorted(row for part in parts for row in part.row_of) == list(range(len(batch)))
    read: dict[int, list[int]] = {}
    for part in parts:
        assert all((token < 0) is part.is_image for token in part.batch.tokens)
        assert [int(row[0]) for row in part.rows] == part.batch.tokens * part.is_image
        rows = zip(part.batch.sequence_ids, part.batch.positions, part.batch.tokens, strict=True)
        for number, position, token in rows:
            assert position == len(read.setdefault(number, []))
            read[number].append(token)
    assert [read[number] for number in range(len(sequences))] == sequences
    assert [part.batch.outputs for part in parts[:-1]] == [[]] * (len(parts) - 1)
    assert parts[-1].batch.outputs == [parts[-1].row_of[row] for row in wanted]
