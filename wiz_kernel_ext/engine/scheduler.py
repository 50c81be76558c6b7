"""Which tokens go into the next step: the engine's one place of decisions about many prompts.

First come, first served for slots; answers under way take one token each; what is left of the
step's budget is shared among the prompts being read, equally. A prompt that begins like one being
read before it waits for that beginning, and shares it. When cells run out, the youngest running one
goes back to the queue with what it has. A step is computed with one set of adapters: prompts with
others have theirs in turn. Computes nothing; called by the engine.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field

from wiz_kernel_ext.engine.adapters import NO_ADAPTERS, AdapterSet, AdapterTurns
from wiz_kernel_ext.engine.backend import Batch
from wiz_kernel_ext.engine.kv_memory import KvMemory
from wiz_kernel_ext.engine.radix_tree import common_prefix
from wiz_kernel_ext.engine.sequence import Sequence
from wiz_kernel_ext.engine.speculation import Speculation

_WORTH_WAITING = 16
"""Tokens in common from which on waiting for another prompt's reading pays."""


@dataclass(frozen=True)
class Work:
    """A sequence's part of a step: its next `n_tokens`, and the rows of their logits, if any.

    The last ones may be guesses, `drafted`: the row before each says whether it was right.
    """

    sequence: Sequence
    n_tokens: int
    rows: range
    drafted: list[int] = field(default_factory=list)


@dataclass
class Plan:
    """One step: the batch, whose rows they are, and the adapters it is computed with."""

    adapters: AdapterSet = NO_ADAPTERS
    batch: Batch = field(default_factory=Batch)
    works: list[Work] = field(default_factory=list)

    @property
    def n_answer_tokens(self) -> int:
        """Rows that are answers' latest tokens, and what was guessed to follow."""
        return sum(w.n_tokens for w in self.works if w.n_tokens == 1 or w.drafted)

    def add(self, sequence: Sequence, n: int) -> None:
        """Put the next `n` unread tokens of `sequence` into the batch."""
        n_outputs = int(n == sequence.n_unread)
        tokens = sequence.tokens[sequence.n_past : sequence.n_past + n]
        rows = self.batch.add(
            sequence.sequence_id,
            sequence.n_past,
            tokens,
            n_outputs=n_outputs,
            images=sequence.images,
        )
        self.works.append(Work(sequence, n, rows))

    def add_answer(self, sequence: Sequence, drafted: list[int]) -> None:
        """Put the next token of an answer into the batch, and what may follow it."""
        if not drafted:
            self.add(sequence, 1)
            return
        tokens = [sequence.tokens[-1], *drafted]
        rows = self.batch.add(sequence.sequence_id, sequence.n_past, tokens, n_outputs=len(tokens))
        self.works.append(Work(sequence, len(tokens), rows, drafted))


def shares(wanted: list[int], budget: int) -> list[int]:
    """Split `budget` fairly: nobody gets more than wanted, and what one leaves the others get."""
    given = [0] * len(wanted)
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    for place, i in enumerate(order):
        given[i] = min(wanted[i], budget // (len(order) - place))
        budget -= given[i]
    return given


class Scheduler:
    """The prompts waiting and running, in the order they came."""

    def __init__(
        self, memory: KvMemory, speculation: Speculation, *, slots: int, batch_size: int
    ) -> None:
        self._memory = memory
        self._speculation = speculation
        self._slots = slots
        self._batch_size = batch_size
        self.waiting: list[Sequence] = []
        self.running: list[Sequence] = []
        self._beginnings = _Beginnings()
        self._held_up: set[Sequence] = set()
        self._turns = AdapterTurns()

    def submit(self, sequence: Sequence) -> None:
        """Queue a sequence at the place its number gives it."""
        insort(self.waiting, sequence, key=lambda s: s.number)

    def leave(self, sequence: Sequence) -> None:
        """Take a sequence that has ended out; what it had computed rests in the cache."""
        self._beginnings.forget(sequence)
        self._held_up.discard(sequence)
        if sequence in self.waiting:
            self.waiting.remove(sequence)
        if sequence in self.running:
            self.running.remove(sequence)
            self._memory.rest(sequence.sequence_id, sequence.owner)

    def plan(self, n_readable: int, now: float) -> Plan:
        """The next step, with at most `n_readable` prompt tokens; empty if there is nothing."""
        self._admit(now)
        # Whoever is put back here waits for the next step: admitted at once, it would take the
        # very cells that it made free.
        while not (plan := self._next(n_readable)).works and len(self.running) > 1:
            self._put_back_youngest()
        for work in plan.works:
            self._memory.take(work.sequence.sequence_id, work.n_tokens)
        return plan

    def _next(self, n_readable: int) -> Plan:
        """A step of those whose turn it is, or of others where they can do nothing."""
        self._make_room_for_answers()
        plan = Plan()
        for adapters in self._turns.order([s.adapters for s in self.running]):
            plan = self._fill(adapters, n_readable)
            if plan.works:
                self._turns.stepped(adapters)
                break
        return plan

    def _fill(self, adapters: AdapterSet, n_readable: int) -> Plan:
        """A step of what runs with `adapters`: answers' latest tokens, then reading as fits."""
        running = [s for s in self.running if s.adapters.id == adapters.id]
        answering = [s for s in running if not s.is_reading]
        readers = self._readers([s for s in running if s.is_reading])
        plan = Plan(adapters)
        n_most = 0 if readers else self._n_draftable(answering)
        drafts = self._speculation.draft(answering, n_most)
        for sequence, drafted in zip(answering, drafts, strict=True):
            plan.add_answer(sequence, drafted)
        if not readers:
            return plan
        budget = min(n_readable, self._batch_size - len(answering))
        wanted = shares([s.n_unread for s in readers], budget)
        self._memory.make_room(len(answering) + sum(wanted))
        room = self._memory.n_free - len(answering)
        for sequence, n in zip(readers, shares(wanted, min(budget, room)), strict=True):
            if n:
                plan.add(sequence, n)
        return plan

    def put_back_all(self) -> None:
        """The KV memory was lost: everything running reads again."""
        while self.running:
            self._return(self.running.pop())

    def _admit(self, now: float) -> None:
        while self.waiting and len(self.running) < self._slots:
            sequence = self.waiting[0]
            promised = sum(s.n_unread for s in self.running)
            kind = sequence.adapters.id
            if self.running and not self._memory.has_room(sequence.tokens, promised, kind):
                return
            start = self._memory.begin(sequence.tokens, kind)
            sequence.start(start.sequence_id, start.n_cached, now)
            insort(self.running, self.waiting.pop(0), key=lambda s: s.number)

    def _make_room_for_answers(self) -> None:
        while len(self.running) > 1:
            n_answering = sum(1 for s in self.running if not s.is_reading)
            if self._memory.make_room(n_answering):
                return
            self._put_back_youngest()
        self._memory.make_room(1)

    def _put_back_youngest(self) -> None:
        sequence = self.running.pop()
        self._memory.park(sequence.sequence_id)
        self._return(sequence)

    def _return(self, sequence: Sequence) -> None:
        sequence.put_back()
        self.submit(sequence)

    def _n_draftable(self, answering: list[Sequence]) -> int:
        """How many tokens may be guessed in a step; nobody makes room for them."""
        if not self._memory.can_share:
            return 0
        return min(self._batch_size, self._memory.n_free) - len(answering)

    def _readers(self, reading: list[Sequence]) -> list[Sequence]:
        """Of `reading` those that read in this step, with whatever others have read for them."""
        if not self._memory.can_share:
            return reading
        readers: list[Sequence] = []
        for sequence in reading:
            if any(self._reads_for(earlier, sequence) for earlier in readers):
                self._held_up.add(sequence)
                continue
            if sequence in self._held_up:
                self._held_up.remove(sequence)
                sequence.n_past = self._memory.catch_up(sequence.sequence_id, sequence.tokens)
            readers.append(sequence)
        return readers

    def _reads_for(self, earlier: Sequence, later: Sequence) -> bool:
        """Whether `earlier` is about to read what `later` needs too."""
        start, end = later.n_past, later.n_past + _WORTH_WAITING
        if earlier.tokens[start:end] != later.tokens[start:end]:
            return False  # as with most pairs: no need to compare all of them
        common = self._beginnings.common(earlier, later)
        return common > earlier.n_past and common - later.n_past >= _WORTH_WAITING


class _Beginnings:
    """How many tokens two prompts begin with alike: compared once, asked in every step."""

    def __init__(self) -> None:
        self._common: dict[Sequence, dict[Sequence, int]] = {}

    def common(self, earlier: Sequence, later: Sequence) -> int:
        """Tokens in common; of prompts that were put back, maybe not all of them."""
        known = self._common.setdefault(later, {})
        n = known.get(earlier)
        if n is None:
            n = known[earlier] = common_prefix(earlier.tokens, later.tokens)
        return n

    def forget(self, sequence: Sequence) -> None:
        """`sequence` has ended."""
        self._common.pop(sequence, None)
        for known in self._common.values():
            known.pop(sequence, None)
