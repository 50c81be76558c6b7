"""The prefix cache over the KV memory: who gets which sequence id, what is reused, what goes.

Every sequence id is unused, running (it belongs to a prompt being answered) or resting (its answer
is done; its cells stay for whoever begins with the same tokens). A prompt continues the longest
prefix anybody holds: in place where little else would be lost, else by sharing the cells, which
copies nothing. Resting ones that are in the way of others are parked in host memory, least recently
used first; when there is nothing else to do they are copied to the disk. Both are brought back when
they are wanted. Cells are of a `kind`, which says with what adapters they were computed, and go to
nobody of another. Knows no prompts; called by the scheduler. The tree says what is held, the pool
how much, and the context holds it: the three change together, here only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wiz_kernel_ext.engine.backend import Context, DecodeFailed
from wiz_kernel_ext.engine.cell_pool import CellPool
from wiz_kernel_ext.engine.parking import Parking
from wiz_kernel_ext.engine.radix_tree import RadixTree
from wiz_kernel_ext.engine.snapshots import Snapshots, may_copy
from wiz_kernel_ext.engine.tiers import Tier

_SMALL_LOSS = 64
"""Tokens that may be cut off a resting sequence to continue it in place."""
N_IN_THE_WAY = 256
"""Cells of resting sequences that may stay beside several that run, where a processor reads them.
One alone is slowed by any, and a copy is soon made; of several, each would have to make one."""
_WORTH_PARKING = 32
"""Tokens below which computing again is as good as keeping, or as bringing back."""
_WORTH_WRITING = 64
"""The same for the disk."""
_MOST_READ = 8
"""How many times what is wanted of a snapshot may be read from the disk."""


@dataclass(frozen=True)
class Start:
    """Where a prompt goes on: `n_cached` of its tokens are there already."""

    sequence_id: int
    n_cached: int


class KvMemory:
    """Sequence ids, their tokens and cells, over one context.

    `parking_bytes` of host memory and `snapshots` on the disk hold what does not stay in it: where
    several run, resting sequences that hold more than `n_in_the_way` cells make way for a prompt
    that begins.
    """

    def __init__(
        self,
        context: Context,
        sequence_ids: int,
        parking_bytes: int = 0,
        snapshots: Snapshots | None = None,
        n_in_the_way: int = N_IN_THE_WAY,
    ) -> None:
        self._context = context
        self._sequence_ids = sequence_ids
        self._parking_bytes = parking_bytes
        self._snapshots = snapshots
        self._n_in_the_way = n_in_the_way
        self._forget()

    def _forget(self) -> None:
        self._tree = RadixTree()
        self._pool = CellPool(self._context.pool_size)
        self._unused = list(range(self._sequence_ids - 1, -1, -1))
        self._resting: dict[int, None] = {}
        self._parking = Parking(self._parking_bytes)
        self._tiers: list[Tier] = [self._parking]
        self._unwritten: dict[int, str] = {}
        self._looked_for: set[str] = set()
        if self._snapshots is not None:
            self._tiers.append(self._snapshots)
            self._snapshots.forget()
            self._look_for("")

    def _look_for(self, kind: str) -> None:
        """Know what is on the disk of a kind, from the first time on that it is asked for."""
        if self._snapshots is None or kind in self._looked_for:
            return
        self._looked_for.add(kind)
        for number, tokens in self._snapshots.look(kind):
            self._tree.add(number, kind)
            self._tree.extend(number, tokens)

    @property
    def n_free(self) -> int:
        """Free cells."""
        return self._pool.n_free

    @property
    def n_resting(self) -> int:
        """Cached sequences in the KV memory that nobody is using."""
        return len(self._resting)

    @property
    def n_parked(self) -> int:
        """Cached sequences in host memory."""
        return len(self._parking)

    @property
    def can_share(self) -> bool:
        """Whether part of one sequence can be used by another."""
        return self._context.can_cut

    def has_room(self, tokens: Sequence[int], promised: int = 0, kind: str = "") -> bool:
        """Whether a prompt's cells can be had without taking them from one that is running.

        `promised` cells are for prompts that are running and not wholly read.
        """
        shared = 0
        if self.can_share:
            matches = self._tree.matches(tokens, kind)
            shared = max((m.length for m in matches if m.holder >= 0), default=0)
        needed = promised + len(tokens) - shared + 1
        if needed <= self._pool.n_free:
            return True
        # What would be shared may be held by resting sequences only; counting it as takeable too
        # would promise the same cells twice.
        takeable = self._pool.n_idle - shared
        return needed <= self._pool.n_free + max(0, takeable)

    def begin(self, tokens: Sequence[int], kind: str = "") -> Start:
        """A sequence id for a prompt of `tokens`, with the longest usable beginning in it.

        The last token is never counted as cached: decoding it is what makes its logits.
        """
        self._look_for(kind)
        start = self._begin_cached(tokens[: len(tokens) - 1], kind)
        if start is None:
            start = Start(self._take_id(), 0)
            self._tree.add(start.sequence_id, kind)
        self._clear_the_way()
        return start

    def _begin_cached(self, wanted: Sequence[int], kind: str) -> Start | None:
        matches = self._tree.matches(wanted, kind)
        # Bringing a copy back for a few tokens more than are here already does not pay.
        matches.sort(key=lambda m: m.length - _WORTH_PARKING * (m.holder < 0), reverse=True)
        for match in matches:
            if match.holder not in self._tree:
                continue  # it made way for a longer one that could not be used after all
            begin = self._continue if match.holder >= 0 else self._bring_back
            if start := begin(match.holder, match.length):
                return start
        return None

    def _continue(self, holder: int, length: int) -> Start | None:
        held = self._tree.length(holder)
        if held == length and holder in self._resting:
            self._wake(holder)
            return Start(holder, length)
        if not self.can_share or not self._context.can_resume(holder, length):
            return None
        if holder in self._resting and (
            _is_small(held - length, length) or not self._has_id_beside(holder)
        ):
            if not self._cut(holder, length):
                return None
            self._wake(holder)
            return Start(holder, length)
        if holder in self._resting:  # used again: it is no longer the one to go first
            self._resting[holder] = self._resting.pop(holder)
        target = self._take_id(sparing=holder)
        self._tree.add(target, self._tree.kind(holder))
        self._share(holder, target, 0, length)
        return Start(target, length)

    def _bring_back(self, number: int, length: int) -> Start | None:
        """Continue a copy; one in host memory stays there where much of it would be lost."""
        tokens, kind = self._tree.tokens(number), self._tree.kind(number)
        n_lost = len(tokens) - length
        tier = next(tier for tier in self._tiers if number in tier)
        if (
            (n_lost and not self.can_share)
            or len(tokens) > self._pool.n_free + self._pool.n_idle
            or (not tier.moves and len(tokens) > _MOST_READ * length)
        ):
            return None
        saved = tier.use(number)
        if saved is None:
            self._tree.remove(number)
            return None
        target = self._take_id()
        if not self.make_room(len(tokens)) or not self._context.restore(target, saved):
            self._unused.append(target)
            if not tier.moves:
                tier.drop(number)
                self._tree.remove(number)
            return None
        self._tree.add(target, kind)
        self._tree.extend(target, tokens)
        self._pool.take(target, len(tokens))
        if tier.moves and number in tier and _is_small(n_lost, length):
            self._forget_parked(number)
        if n_lost and not (self._context.can_resume(target, length) and self._cut(target, length)):
            self.drop(target)
            return None
        return Start(target, length)

    def catch_up(self, sequence_id: int, tokens: Sequence[int]) -> int:
        """Share what others have computed of `tokens` since `begin`; the new length.

        Prompts that begin alike and come together have their common beginning read once.
        """
        length = self._tree.length(sequence_id)
        if not self.can_share:
            return length
        kind = self._tree.kind(sequence_id)
        for match in self._tree.matches(tokens[: len(tokens) - 1], kind):
            if match.length <= length:
                break
            if match.holder >= 0 and self._context.can_resume(match.holder, match.length):
                self._share(match.holder, sequence_id, length, match.length)
                return match.length
        return length

    def _share(self, source: int, target: int, start: int, end: int) -> None:
        self._context.copy(source, target, start, end)
        self._pool.share(source, target, start, end)
        self._tree.extend(target, self._tree.tokens(source)[start:end])

    def _cut(self, sequence_id: int, length: int) -> bool:
        if not self._context.cut(sequence_id, length):
            return False
        self._tree.cut(sequence_id, length)
        self._pool.release(sequence_id, length)
        return True

    def take(self, sequence_id: int, n: int) -> None:
        """Set aside `n` cells, just before they are computed."""
        self._pool.take(sequence_id, n)

    def give_back(self, sequence_id: int) -> None:
        """Take back what was set aside and not computed."""
        self._pool.release(sequence_id, self._tree.length(sequence_id))

    def cut_back(self, sequence_id: int, length: int) -> None:
        """Forget what was computed from `length` on: guesses that were wrong."""
        if not self._cut(sequence_id, length):
            raise DecodeFailed("what was guessed could not be cut off")

    def extend(self, sequence_id: int, tokens: Sequence[int]) -> None:
        """Note that `tokens` have been computed into the cells set aside."""
        self._tree.extend(sequence_id, tokens)

    def rest(self, sequence_id: int, owner: str | None = None) -> None:
        """Its prompt is answered: keep it, most recently used, for whoever continues it.

        What belongs to the conversation `owner` may go to the disk, the latest of it.
        """
        if not self._tree.length(sequence_id):
            self.drop(sequence_id)
            return
        for other in self._tree.prefixes_of(sequence_id) if self.can_share else ():
            if other in self._resting:
                self.drop(other)
            elif other in self._parking:
                self._forget_parked(other)
        self._resting[sequence_id] = None
        self._pool.rest(sequence_id)
        if owner is not None and self._snapshots is not None:
            self._unwritten = {h: name for h, name in self._unwritten.items() if name != owner}
            if self._tree.length(sequence_id) >= _WORTH_WRITING:
                self._unwritten[sequence_id] = owner

    def write(self) -> bool:
        """Begin to write one conversation to the disk that is not there as it is; False: none.

        Waits until the one before is written. One that is too large to be copied is left out.
        """
        if self._snapshots is None or not self._unwritten:
            return False
        holder = next(iter(self._unwritten))
        owner = self._unwritten.pop(holder)
        if holder < 0:
            saved = self._parking.use(holder)
        elif may_copy(self._context.saved_bytes(holder)):
            saved = self._context.save(holder)
        else:
            return True
        tokens, kind = self._tree.tokens(holder), self._tree.kind(holder)
        number, former = self._snapshots.put(owner, tokens, saved, kind)
        if former is not None and former in self._tree:
            self._tree.remove(former)
        if number is not None and number not in self._tree:
            self._tree.add(number, kind)
            self._tree.extend(number, tokens)
        return True

    @property
    def n_unwritten(self) -> int:
        """Conversations that `write` would write."""
        return len(self._unwritten)

    def _wake(self, sequence_id: int) -> None:
        self._unwritten.pop(sequence_id, None)
        del self._resting[sequence_id]
        self._pool.wake(sequence_id)

    def park(self, sequence_id: int) -> None:
        """Move a sequence to host memory, if it is worth it; its id and cells are free."""
        is_lost = not (self.can_share and self._tree.is_covered(sequence_id))
        if is_lost and self._parking_bytes and self._tree.length(sequence_id) >= _WORTH_PARKING:
            number, gone = self._parking.put(self._context.save(sequence_id))
            for other in gone:
                self._tree.remove(other)
                self._unwritten.pop(other, None)
            if number is not None:
                self._tree.add(number, self._tree.kind(sequence_id))
                self._tree.extend(number, self._tree.tokens(sequence_id))
                if owner := self._unwritten.get(sequence_id):
                    self._unwritten[number] = owner
        self.drop(sequence_id)

    def drop(self, sequence_id: int) -> None:
        """Forget a sequence; its cells are free unless others share them."""
        self._context.cut(sequence_id, 0)
        self._pool.release(sequence_id)
        self._tree.remove(sequence_id)
        self._resting.pop(sequence_id, None)
        self._unwritten.pop(sequence_id, None)
        self._unused.append(sequence_id)

    def make_room(self, n_cells: int) -> bool:
        """Park resting sequences, least recently used first, until `n_cells` are free."""
        while self._pool.n_free < n_cells and self._resting:
            self.park(next(iter(self._resting)))
        return self._pool.n_free >= n_cells

    def clear(self) -> None:
        """Forget everything, running sequences too; every id is unused again."""
        self._context.clear()
        self._forget()

    def _clear_the_way(self) -> None:
        """Park what would slow every step of the prompt that begins."""
        if not self._parking_bytes:
            return
        n_running = self._sequence_ids - len(self._unused) - len(self._resting)
        most = self._n_in_the_way
        if n_running == 1 and most < self._context.pool_size:
            most = 0
        while self._resting and self._pool.n_idle > most:
            self.park(next(iter(self._resting)))

    def _forget_parked(self, number: int) -> None:
        self._parking.drop(number)
        self._tree.remove(number)
        self._unwritten.pop(number, None)

    def _has_id_beside(self, holder: int) -> bool:
        """Whether there is a sequence id for one more while `holder` stays."""
        return bool(self._unused) or any(other != holder for other in self._resting)

    def _take_id(self, sparing: int | None = None) -> int:
        """An unused id; there are more ids than can run, so a resting one can always make way."""
        if not self._unused:
            self.park(next(holder for holder in self._resting if holder != sparing))
        return self._unused.pop()


def _is_small(n_lost: int, n_kept: int) -> bool:
    return n_lost <= max(_SMALL_LOSS, n_kept // 8)
