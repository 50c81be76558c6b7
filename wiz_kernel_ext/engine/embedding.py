"""Vectors of many texts, a step at a time: which tokens are computed next, and what came of them.

Texts of all who ask are packed together, one of each in turn, an asker's longest first: so a step
is full, and who asks for one text does not wait for who asks for a thousand. Where a model reads
forwards only, a long text is read in pieces, and what its rows add up to is kept; else a text is
computed whole. Knows tokens and vectors, not texts. Called by `worker/`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from wiz_kernel_ext.engine.backend import Aborted, Batch, DecodeFailed, NoRoom
from wiz_kernel_ext.engine.contention import ThreadCount
from wiz_kernel_ext.engine.pace import Pace
from wiz_kernel_ext.engine.vectors import EmbeddingContext, Vectors
from wiz_kernel_ext.errors import InternalError, OperationCancelled, WizError
from wiz_kernel_ext.protocol.embedding import Pooling

BESIDE_S = 0.08
"""How long a step may take beside answers: each of their tokens waits for one."""
ALONE_S = 1.5
"""And alone, as where a prompt is read: a cancel breaks it off, only who comes meanwhile waits."""

OnProgress = Callable[[int], object]
OnEnd = Callable[["Vectors | WizError"], object]


@dataclass(eq=False)
class EmbeddingWork:
    """What one asker wants: `texts` as tokens, none empty; `vectors` are n × width, as they come.

    `on_progress` hears how many are done, `on_end` the one end; both on the engine's thread.
    """

    texts: list[list[int]]
    vectors: Vectors
    on_progress: OnProgress
    on_end: OnEnd
    waiting: deque[int] = field(default_factory=deque)
    n_done: int = 0
    ended: bool = False


@dataclass(eq=False)
class _Reading:
    """A text under way: its sequence, how much of it was read, and what its rows came to."""

    work: EmbeddingWork
    index: int
    sequence_id: int
    n_read: int = 0
    total: Vectors | None = None

    @property
    def tokens(self) -> list[int]:
        return self.work.texts[self.index]


@dataclass(frozen=True)
class _Piece:
    """What of a text is in a batch: its rows from `start` on."""

    reading: _Reading
    start: int
    n_tokens: int


class Embedder:
    """Computes vectors on one context, for many askers.

    `width` is a vector's numbers (1 where it is a score), `in_pieces` as in `EmbeddingFacts`;
    `batch_size` is how many tokens are packed into a step (a longer text is one by itself);
    `pooling` is what becomes of a text's rows where they are read here.
    """

    def __init__(
        self,
        context: EmbeddingContext,
        *,
        width: int,
        pooling: Pooling,
        in_pieces: bool,
        batch_size: int,
        n_texts: int,
        n_params: int,
        clock: Callable[[], float],
        threads: ThreadCount | None = None,
    ) -> None:
        self._context = context
        self._width = width
        self._pooling = pooling
        self._in_pieces = in_pieces
        self._batch_size = batch_size
        self._clock = clock
        self._threads = threads
        self._pace = Pace(most=batch_size, n_params=n_params)
        self._free = deque(range(n_texts))
        self._works: deque[EmbeddingWork] = deque()
        self._under_way: _Reading | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a step would do anything."""
        return bool(self._works)

    def submit(
        self, texts: Sequence[list[int]], on_progress: OnProgress, on_end: OnEnd
    ) -> EmbeddingWork:
        """Queue texts, each of at least one token and at most as many as the context takes."""
        assert texts and all(texts)
        work = EmbeddingWork(
            texts=list(texts),
            vectors=np.zeros((len(texts), self._width), np.float32),
            on_progress=on_progress,
            on_end=on_end,
        )
        by_length = sorted(range(len(texts)), key=lambda index: -len(texts[index]))
        work.waiting.extend(by_length)
        self._works.append(work)
        return work

    def step(self, *, beside: bool) -> bool:
        """Compute one batch, a short one where it is `beside` answers; whether there was any."""
        now = self._clock()
        if self._threads and self._threads.look(now):
            self._context.set_threads(self._threads.count)
        batch, pieces = self._plan(self._pace.n_tokens(BESIDE_S if beside else ALONE_S))
        if not pieces:
            return False
        started_at = self._clock()
        try:
            self._context.decode(batch)
        except Aborted:
            self._put_back(pieces)
            return False
        except (NoRoom, DecodeFailed) as error:
            self._context.clear()
            self._lose(pieces, error)
            return False
        self._pace.learn(len(batch), 0, self._clock() - started_at)
        self._take(batch, pieces)
        return True

    def abort(self) -> None:
        """Break off the step under way, which is made again; from any thread."""
        self._context.abort()

    def cancel(self, work: EmbeddingWork) -> None:
        """Give up what is left of `work`; nothing if it has ended."""
        self._end(work, OperationCancelled("Cancelled."))

    def fail(self, error: WizError) -> None:
        """End all there is with `error`, after a step that failed in whatever way."""
        self._context.clear()
        for work in list(self._works):
            self._end(work, error)

    def close(self) -> None:
        """End all there is, because the context is going away, and give it back."""
        for work in list(self._works):
            self._end(work, OperationCancelled("The model was unloaded."))
        self._context.close()

    def _plan(self, n_most: int) -> tuple[Batch, list[_Piece]]:
        """The next batch of about `n_most` tokens: what is under way, then one of each asker."""
        batch, pieces = Batch(), list[_Piece]()
        if self._under_way is not None:
            self._add(batch, pieces, self._under_way, n_most)
            self._under_way = None
        turns = deque(work for work in self._works if work.waiting)
        while turns and self._free and len(batch) < n_most:
            work = turns.popleft()
            index = self._next(work, n_most - len(batch), is_first=not pieces)
            if index is None:
                continue
            self._add(batch, pieces, _Reading(work, index, self._free.popleft()), n_most)
            if work.waiting:
                turns.append(work)
        if len(self._works) > 1:
            self._works.rotate(-1)
        return batch, pieces

    def _next(self, work: EmbeddingWork, n_left: int, *, is_first: bool) -> int | None:
        """A text of `work` that may begin now: its longest, or the longest that fits whole."""
        if self._in_pieces or is_first:
            return work.waiting.popleft()
        for place, index in enumerate(work.waiting):
            if len(work.texts[index]) <= n_left:
                del work.waiting[place]
                return index
        return None

    def _add(self, batch: Batch, pieces: list[_Piece], reading: _Reading, n_most: int) -> None:
        n_left = len(reading.tokens) - reading.n_read
        n = min(n_left, n_most - len(batch)) if self._in_pieces else n_left
        tokens = reading.tokens[reading.n_read : reading.n_read + n]
        pieces.append(_Piece(reading, len(batch), n))
        batch.add(reading.sequence_id, reading.n_read, tokens, n_outputs=n)

    def _take(self, batch: Batch, pieces: list[_Piece]) -> None:
        """Note what was computed; a text that is whole has its vector."""
        rows = self._context.rows(len(batch)) if self._in_pieces else None
        if rows is not None and self._pooling == "mean":
            sums = np.add.reduceat(rows, [piece.start for piece in pieces], axis=0)
        told: dict[EmbeddingWork, None] = {}
        for place, piece in enumerate(pieces):
            reading = piece.reading
            reading.n_read += piece.n_tokens
            if rows is None:
                reading.total = self._context.pooled(reading.sequence_id)
            elif self._pooling == "mean":
                before = reading.total
                reading.total = sums[place] if before is None else before + sums[place]
            elif self._pooling == "last":
                reading.total = rows[piece.start + piece.n_tokens - 1]
            elif reading.total is None:
                reading.total = rows[piece.start].copy()
            if reading.n_read < len(reading.tokens):
                self._under_way = reading
                continue
            self._done(reading)
            told[reading.work] = None
        if not self._in_pieces:
            self._context.clear()
        for work in told:
            self._tell(work)

    def _done(self, reading: _Reading) -> None:
        work, total = reading.work, reading.total
        assert total is not None
        if self._in_pieces and self._pooling == "mean":
            total = total / np.float32(len(reading.tokens))
        work.vectors[reading.index] = total
        work.n_done += 1
        self._release(reading)

    def _tell(self, work: EmbeddingWork) -> None:
        work.on_progress(work.n_done)
        if work.n_done == len(work.texts):
            self._end(work, work.vectors)

    def _put_back(self, pieces: list[_Piece]) -> None:
        """A batch was broken off: what it would have begun waits again, where it was."""
        for piece in reversed(pieces):
            reading = piece.reading
            if reading.n_read:
                self._under_way = reading
            else:
                self._release(reading)
                reading.work.waiting.appendleft(reading.index)

    def _lose(self, pieces: list[_Piece], error: Exception) -> None:
        for piece in pieces:
            self._release(piece.reading)
        why = InternalError(f"The engine could not compute a step: {error or 'no room'}")
        for work in {piece.reading.work: None for piece in pieces}:
            self._end(work, why)

    def _release(self, reading: _Reading) -> None:
        if self._in_pieces:
            self._context.forget(reading.sequence_id)
        self._free.append(reading.sequence_id)

    def _end(self, work: EmbeddingWork, result: Vectors | WizError) -> None:
        if work.ended:
            return
        work.ended = True
        work.waiting.clear()
        self._works.remove(work)
        if self._under_way is not None and self._under_way.work is work:
            self._release(self._under_way)
            self._under_way = None
        if self._threads and not self.is_busy:
            self._threads.rest(self._clock())
        work.on_end(result)


def normalized(vectors: Vectors) -> Vectors:
    """Each row with length one; a row of zeros stays one."""
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    found: Vectors = (vectors / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)
    return found


def cosines(vectors: Vectors, query: Vectors) -> list[float]:
    """The cosine of each row with `query`."""
    found = normalized(vectors).astype(np.float64) @ normalized(query[None])[0].astype(np.float64)
    return [float(value) for value in found]
