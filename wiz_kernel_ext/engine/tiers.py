"""Where cached sequences wait outside of the context: in host memory, on the disk.

One interface for both. A copy is found through the radix tree by a number, as a sequence in the
context is by its id; the number says in which tier it is. Called by `kv_memory.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from wiz_kernel_ext.engine.backend import Saved

_PER_TIER = 1 << 32
FIRST_PARKED = -1
FIRST_ON_DISK = -1 - _PER_TIER
"""Numbers count down from these, so that none is ever taken for a sequence id."""


def tier_of(holder: int) -> int:
    """How far away `holder` is: 0 in the context, 1 in host memory, 2 on the disk."""
    return -(holder // _PER_TIER)


class Tier(ABC):
    """Copies of sequences by number."""

    moves: bool
    """Whether a copy goes when its sequence is in the context again, or is kept beside it."""

    @abstractmethod
    def __contains__(self, number: int) -> bool: ...

    @abstractmethod
    def use(self, number: int) -> Saved | None:
        """The copy, which is the most recently used from now on; None where it is gone."""

    @abstractmethod
    def drop(self, number: int) -> None:
        """Keep it no longer, or look for it no longer where others may."""
