"""What a context is where its asker left it open, and what follows from what was asked.

Pure. The worker makes contexts by it, and the estimate of what a model takes counts with it.
"""

from __future__ import annotations

CONTEXT_SIZE = 4096
SEQUENCES = 16
BATCH_SIZE = 512
CARD_BATCH_SIZE = 2048
"""A card computes a whole batch as fast as a small one: the more at once, the fewer waits."""
CARD_MICRO_BATCH_SIZE = 512
"""What of it the card has at once, and has memory for; larger ones gain little."""
POOL_FACTOR = 2
"""The pool holds this many full conversations; all sequences and the cache share it."""
MAX_SEQUENCE_IDS = 256
"""llama.cpp's own bound."""


def context_size_for(asked: int | None, n_ctx_train: int) -> int:
    """The tokens of one conversation; `n_ctx_train` is 0 where the model does not say."""
    return asked or min(n_ctx_train or CONTEXT_SIZE, CONTEXT_SIZE)


def pool_size_for(context_size: int, sequences: int) -> int:
    """The cells of the whole KV memory, in tokens."""
    return context_size * min(POOL_FACTOR, sequences)


def sequence_ids_for(sequences: int) -> int:
    """How many sequences the memory tells apart: those running, and as many resting."""
    return min(MAX_SEQUENCE_IDS, sequences + max(8, sequences))


def batch_size_for(asked: int | None, sequences: int, *, on_card: bool = False) -> int:
    """The tokens of one step: one of each sequence at least, and one being read."""
    return max(asked or (CARD_BATCH_SIZE if on_card else BATCH_SIZE), sequences + 1)


def micro_batch_size_for(batch_size: int, *, on_card: bool) -> int:
    """The tokens that are computed at once, of a step's `batch_size`."""
    return min(batch_size, CARD_MICRO_BATCH_SIZE) if on_card else batch_size
