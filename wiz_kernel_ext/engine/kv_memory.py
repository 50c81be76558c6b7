"""The prefix cache over the KV memory: who gets which sequence id, what is reused, what goes.

Every sequence id is free, running (it belongs to a prompt being answered) or resting (its answer is
done; its cells stay for whoever begins with the same tokens). A prompt continues the longest prefix
any of them holds: in place where little else would be lost, else by sharing the cells, which copies
nothing. Resting ones are let go least recently used first when cells or ids run out. Knows no
prompts; called by the scheduler. The tree says what is held, the pool how much, and the context
holds it: the three change together, here only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wiz_kernel_ext.engine.backend import Context
from wiz_kernel_ext.engine.cell_pool import CellPool
from wiz_kernel_ext.engine.radix_tree import RadixTree

_SMALL_LOSS = 64


@dataclass(frozen=True)
class Start:
    """Where a prompt goes on: `n_cached` of its tokens are there already."""

    sequence_id: int
    n_cached: int


class KvMemory:
    """Sequence ids, their tokens and cells, over one context."""

    def __init__(self, context: Context, sequence_ids: int) -> None:
        self._context = context
        self._sequence_ids = sequence_ids
        self._forget()

    def _forget(self) -> None:
        self._tree = RadixTree()
        self._pool = CellPool(self._context.pool_size)
        self._unused = list(range(self._sequence_ids - 1, -1, -1))
        self._resting: dict[int, None] = {}

    @property
    def n_free(self) -> int:
        """Free cells."""
        return self._pool.n_free

    @property
    def n_resting(self) -> int:
        """Cached sequences nobody is using."""
        return len(self._resting)

    @property
    def can_share(self) -> bool:
        """Whether part of one sequence can be used by another."""
        return self._context.can_cut

    def has_room(self, tokens: Sequence[int], promised: int = 0) -> bool:
        """Whether a prompt's cells can be had without taking them from one that is running.

        `promised` cells are for prompts that are running and not wholly read.
        """
        matches = self._tree.matches(tokens)
        shared = matches[0].length if matches and self.can_share else 0
        needed = promised + len(tokens) - shared + 1
        if needed <= self._pool.n_free:
            return True
        # What would be shared may be held by resting sequences only; counting it as takeable too
        # would promise the same cells twice.
        takeable = self._pool.n_held_only_by(self._resting) - shared
        return needed <= self._pool.n_free + max(0, takeable)

    def begin(self, tokens: Sequence[int]) -> Start:
        """A sequence id for a prompt of `tokens`, with the longest usable beginning in it.

        The last token is never counted as cached: decoding it is what makes its logits.
        """
        wanted = tokens[: len(tokens) - 1]
        for match in self._tree.matches(wanted):
            if start := self._continue(match.holder, match.length):
                return start
        fresh = self._take_id()
        self._tree.add(fresh)
        return Start(fresh, 0)

    def _continue(self, holder: int, length: int) -> Start | None:
        held = self._tree.length(holder)
        if held == length and holder in self._resting:
            del self._resting[holder]
            return Start(holder, length)
        if not self._context.can_cut or not self._context.can_resume(holder, length):
            return None
        lost = held - length
        if holder in self._resting and lost <= max(_SMALL_LOSS, length // 8):
            if not self._context.cut(holder, length):
                return None
            self._tree.cut(holder, length)
            self._pool.release(holder, length)
            del self._resting[holder]
            return Start(holder, length)
        if holder in self._resting:  # used again: it is no longer the one to go first
            self._resting[holder] = self._resting.pop(holder)
        target = self._take_id(sparing=holder)
        self._tree.add(target)
        self._share(holder, target, 0, length)
        return Start(target, length)

    def catch_up(self, sequence_id: int, tokens: Sequence[int]) -> int:
        """Share what others have computed of `tokens` since `begin`; the new length.

        Prompts that begin alike and come together have their common beginning read once.
        """
        length = self._tree.length(sequence_id)
        if not self.can_share:
            return length
        for match in self._tree.matches(tokens[: len(tokens) - 1])[:1]:
            if match.length > length and self._context.can_resume(match.holder, match.length):
                self._share(match.holder, sequence_id, length, match.length)
                return match.length
        return length

    def _share(self, source: int, target: int, start: int, end: int) -> None:
        self._context.copy(source, target, start, end)
        self._pool.share(source, target, start, end)
        self._tree.extend(target, self._tree.tokens(source)[start:end])

    def take(self, sequence_id: int, n: int) -> None:
        """Set aside `n` cells, just before they are computed."""
        self._pool.take(sequence_id, n)

    def extend(self, sequence_id: int, tokens: Sequence[int]) -> None:
        """Note that `tokens` have been computed into the cells set aside."""
        self._tree.extend(sequence_id, tokens)

    def rest(self, sequence_id: int) -> None:
        """Its prompt is answered: keep it, most recently used, for whoever continues it."""
        if not self._tree.length(sequence_id):
            self.drop(sequence_id)
            return
        for other in self._tree.prefixes_of(sequence_id):
            if other in self._resting and self.can_share:
                self.drop(other)
        self._resting[sequence_id] = None

    def drop(self, sequence_id: int) -> None:
        """Forget a sequence; its cells are free unless others share them."""
        self._context.cut(sequence_id, 0)
        self._pool.release(sequence_id)
        self._tree.remove(sequence_id)
        self._resting.pop(sequence_id, None)
        self._unused.append(sequence_id)

    def make_room(self, n_cells: int) -> bool:
        """Let resting sequences go, least recently used first, until `n_cells` are free."""
        while self._pool.n_free < n_cells and self._resting:
            self.drop(next(iter(self._resting)))
        return self._pool.n_free >= n_cells

    def clear(self) -> None:
        """Forget everything, running sequences too; every id is unused again."""
        self._context.clear()
        self._forget()

    def _take_id(self, sparing: int | None = None) -> int:
        """An unused id; there are more ids than can run, so a resting one can always make way."""
        if not self._unused:
            self.drop(next(holder for holder in self._resting if holder != sparing))
        return self._unused.pop()
