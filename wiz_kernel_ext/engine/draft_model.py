"""A small model that guesses what a large one with the same vocabulary says.

It reads along in a context of its own, on the engine's thread: the prompts of those it guesses for,
and what was said. It takes what it finds likeliest, for all answers in one batch per token, and
stops where it is not sure. What it holds wrong is cut off when the answers have gone on.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

from wiz_kernel_ext.engine.backend import Aborted, Batch, Context, DecodeFailed, Model, NoRoom
from wiz_kernel_ext.engine.drafting import Chance, Drafter, Wanted
from wiz_kernel_ext.engine.kv_memory import KvMemory
from wiz_kernel_ext.engine.radix_tree import common_prefix

SURE = 0.4
"""The probability below which its likeliest token is no guess."""
_PRIOR = 0.7
_MANY = 32
"""Rows from which on a batch reads a prompt, and is no measure of guessing."""
_MOST_FAILURES = 3

log = logging.getLogger(__name__)


@dataclass
class _Answer:
    """What is in its cells: so many of its tokens, then what was read and guessed since."""

    sequence_id: int
    n_same: int
    since: list[int] = field(default_factory=list)

    @property
    def n_held(self) -> int:
        """Tokens in its cells."""
        return self.n_same + len(self.since)


@dataclass
class _Turn:
    """A batch: whose tokens it has, and the rows after which a guess is to follow, by place."""

    batch: Batch = field(default_factory=Batch)
    parts: list[tuple[_Answer, list[int]]] = field(default_factory=list)
    rows: dict[int, int] = field(default_factory=dict)


class DraftModel(Drafter):
    """Guesses by `model` in `context`, which is its own; reads `batch_size` tokens at once.

    What fails in it costs guesses and no answer.
    """

    def __init__(
        self,
        model: Model,
        context: Context,
        *,
        sequence_ids: int,
        batch_size: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._model = model
        self._context = context
        self._batch_size = batch_size
        self._clock = clock
        self._memory = KvMemory(context, sequence_ids)
        self._answers: dict[int, _Answer] = {}
        self._chances: dict[int, Chance] = {}
        self._measured: deque[float] = deque(maxlen=5)
        self._n_failures = 0

    def chance(self, number: int, tokens: Sequence[int]) -> float:
        if self._n_failures >= _MOST_FAILURES:
            return 0.0
        chance = self._chances.setdefault(number, Chance(_PRIOR))
        chance.fade()
        return chance.value

    def propose(self, wanted: Sequence[Wanted]) -> list[list[int]]:
        proposed: list[list[int]] = [[] for _ in wanted]
        try:
            self._propose(wanted, proposed)
        except Aborted:
            for answer in self._answers.values():
                self._memory.give_back(answer.sequence_id)
        except (NoRoom, DecodeFailed) as error:
            self._n_failures += 1
            log.warning("The draft model failed: %r", error)
            self._memory.clear()
            self._answers.clear()
        return proposed

    def _propose(self, wanted: Sequence[Wanted], proposed: list[list[int]]) -> None:
        started_at = self._clock()
        answers = [self._caught_up(one) for one in wanted]
        turn = _Turn()
        for i, (one, answer) in enumerate(zip(wanted, answers, strict=True)):
            start, n_left = answer.n_same, self._batch_size - len(turn.batch)
            rest = list(one.tokens[start : start + n_left])
            is_end = start + len(rest) == len(one.tokens)
            if rest and max(rest) < self._model.facts.n_vocab:
                self._add(turn, answer, rest, i if is_end else None)
        is_reading = len(turn.batch) > _MANY
        while turn.parts:
            self._decode(turn)
            turn = self._next(turn, wanted, answers, proposed)
        n_proposed = sum(len(tokens) for tokens in proposed)
        if n_proposed and not is_reading:
            self._measured.append((self._clock() - started_at) / n_proposed)
            self.token_s = median(self._measured)

    def _caught_up(self, one: Wanted) -> _Answer:
        """The answer's cells, with nothing in them that it does not begin with.

        Its last token is not in them: computing it is what makes its logits.
        """
        answer = self._answers.get(one.number)
        if answer is None:
            start = self._memory.begin(one.tokens)
            answer = self._answers[one.number] = _Answer(start.sequence_id, start.n_cached)
            return answer
        n_right = common_prefix(answer.since, one.tokens[answer.n_same :])
        answer.n_same = min(answer.n_same + n_right, len(one.tokens) - 1)
        answer.since = []
        self._memory.cut_back(answer.sequence_id, answer.n_same)
        return answer

    def _next(
        self,
        turn: _Turn,
        wanted: Sequence[Wanted],
        answers: Sequence[_Answer],
        proposed: list[list[int]],
    ) -> _Turn:
        """Take what is likely enough after a batch; the next one, of those who want one more."""
        after = _Turn()
        for i, row in turn.rows.items():
            token, probability = self._context.likeliest(row)
            if probability < SURE:
                continue
            proposed[i].append(token)
            if len(proposed[i]) < wanted[i].most:
                self._add(after, answers[i], [token], i)
        return after

    def _add(self, turn: _Turn, answer: _Answer, tokens: list[int], place: int | None) -> None:
        """Put `tokens` into the batch, if there is room; `place` is whose guess is to follow."""
        if not self._memory.make_room(len(tokens)):
            return
        self._memory.take(answer.sequence_id, len(tokens))
        rows = turn.batch.add(
            answer.sequence_id, answer.n_held, tokens, n_outputs=int(place is not None)
        )
        turn.parts.append((answer, tokens))
        if place is not None:
            turn.rows[place] = rows[-1]

    def _decode(self, turn: _Turn) -> None:
        self._context.decode(turn.batch)
        for answer, tokens in turn.parts:
            self._memory.extend(answer.sequence_id, tokens)
            answer.since += tokens

    def learn(self, number: int, n_drafted: int, n_kept: int) -> None:
        self._chances[number].learn(n_drafted, n_kept)

    def forget(self, number: int) -> None:
        self._chances.pop(number, None)
        if (answer := self._answers.pop(number, None)) is not None:
            self._memory.rest(answer.sequence_id)

    def set_threads(self, threads: int) -> None:
        self._context.set_threads(threads)

    def abort(self) -> None:
        self._context.abort()

    def close(self) -> None:
        self._context.close()
