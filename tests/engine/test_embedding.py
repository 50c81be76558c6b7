"""The queue for vectors: what goes together, what comes out, and what a failure costs."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from tests.engine.fake_backend import FakeClock
from tests.engine.fake_embedding import FakeEmbeddingContext, vector_of
from wiz_kernel_ext.engine.embedding import Embedder, EmbeddingWork, cosines, normalized
from wiz_kernel_ext.engine.vectors import EmbeddingFacts, EmbeddingParameters
from wiz_kernel_ext.errors import InternalError, OperationCancelled, WizError

IN_PIECES = EmbeddingFacts(n_dims=4, pooling=None, is_causal=True, writes=True)
WHOLE = EmbeddingFacts(n_dims=4, pooling="cls", is_causal=False, writes=False)


@dataclass
class Asker:
    """Who asked for the vectors of `texts`, and what was heard."""

    texts: list[list[int]]
    progress: list[int] = field(default_factory=list)
    ends: list[Any] = field(default_factory=list)
    work: EmbeddingWork | None = None

    def check(self, pooling: str) -> None:
        (vectors,) = self.ends
        assert vectors.dtype == np.float32
        expected = np.stack([vector_of(text, pooling) for text in self.texts])
        np.testing.assert_allclose(vectors, expected, rtol=1e-5)
        assert self.progress == sorted(self.progress) and self.progress[-1] == len(self.texts)


class Rig:
    """An embedder on a context of arithmetic."""

    def __init__(
        self, facts: EmbeddingFacts = IN_PIECES, *, batch_size: int = 32, n_texts: int = 8
    ) -> None:
        self.clock = FakeClock()
        parameters = EmbeddingParameters(
            longest=64 if facts.in_pieces else batch_size,
            batch_size=batch_size,
            packed=batch_size,
            n_texts=n_texts,
            threads=1,
        )
        self.context = FakeEmbeddingContext(parameters, facts, self.clock)
        self.embedder = Embedder(
            self.context,
            width=1 if facts.pooling == "rank" else 4,
            pooling=facts.pooling or "mean",
            in_pieces=facts.in_pieces,
            batch_size=batch_size,
            n_texts=n_texts,
            n_params=10**6,
            clock=self.clock,
        )

    def ask(self, *lengths: int, first: int = 0) -> Asker:
        asker = Asker([[first + n, *range(1, n)] for n in lengths])
        asker.work = self.embedder.submit(asker.texts, asker.progress.append, asker.ends.append)
        return asker

    def run(self, *, beside: bool = False) -> None:
        for _ in range(1000):
            if not self.embedder.is_busy:
                return
            self.embedder.step(beside=beside)
        raise AssertionError("it does not end")


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_texts_in_pieces_have_the_vectors_of_whole_texts(pooling: Any) -> None:
    rig = Rig(EmbeddingFacts(n_dims=4, pooling=pooling, is_causal=True, writes=True))
    asker = rig.ask(1, 64, 3, 40, 7, 2, 33, 5, 1)
    rig.run()
    asker.check(pooling)
    assert rig.context.cells == {}
    assert any(batch.positions[0] > 0 for batch in rig.context.batches)


@pytest.mark.parametrize("pooling", ["mean", "cls", "last", "rank"])
def test_what_reads_whole_texts_is_given_whole_texts(pooling: Any) -> None:
    rig = Rig(EmbeddingFacts(n_dims=4, pooling=pooling, is_causal=False, writes=False))
    asker = rig.ask(32, 1, 31, 2, 16, 15, 9)
    rig.run()
    asker.check(pooling)
    assert [len(batch) for batch in rig.context.batches] == [32, 32, 31, 11]


def test_random_texts_of_many_askers_all_come_out_right_and_in_order() -> None:
    draw = random.Random(4)
    for facts in (IN_PIECES, WHOLE):
        rig, askers = Rig(facts), list[Asker]()
        for turn in range(12):
            lengths = [draw.randint(1, 32) for _ in range(draw.randint(1, 9))]
            askers.append(rig.ask(*lengths, first=100 * turn))
            if draw.random() < 0.3:
                rig.context.abort()
            rig.embedder.step(beside=draw.random() < 0.5)
        rig.run()
        for asker in askers:
            asker.check(facts.pooling or "mean")


def test_steps_are_full() -> None:
    rig = Rig(WHOLE)
    rig.ask(*[5, 3, 8] * 40)
    rig.run()
    assert len(rig.context.batches) <= 1 + (16 * 40) // 30


def test_no_more_texts_at_once_than_there_are_sequences() -> None:
    rig = Rig(n_texts=3)
    asker = rig.ask(*[1] * 10)
    rig.run()
    asker.check("mean")
    assert max(len(set(batch.sequence_ids)) for batch in rig.context.batches) == 3


def test_one_text_does_not_wait_for_a_thousand() -> None:
    rig = Rig()
    many = rig.ask(*[16] * 100)
    rig.embedder.step(beside=False)
    one = rig.ask(4, first=1000)
    rig.embedder.step(beside=False)
    rig.embedder.step(beside=False)
    one.check("mean")
    assert not many.ends
    rig.run()
    many.check("mean")


def test_beside_answers_a_step_is_short() -> None:
    rig = Rig(batch_size=512, n_texts=64)
    rig.context.row_s = 0.002
    rig.ask(*[20] * 300)
    for _ in range(3):
        rig.embedder.step(beside=False)
    alone = len(rig.context.batches[-1])
    started_at = rig.clock.now
    rig.embedder.step(beside=True)
    assert rig.clock.now - started_at == pytest.approx(0.08, abs=0.01)
    assert alone > 2 * len(rig.context.batches[-1])


def test_a_cancelled_asker_hears_so_at_once_and_the_others_go_on() -> None:
    rig = Rig()
    given_up, other = rig.ask(64, 64, 64), rig.ask(20, 30, first=500)
    rig.embedder.step(beside=False)
    assert given_up.work is not None
    rig.embedder.cancel(given_up.work)
    (end,) = given_up.ends
    assert isinstance(end, OperationCancelled)
    rig.run()
    other.check("mean")
    assert rig.context.cells == {} and given_up.ends == [end]
    rig.embedder.cancel(given_up.work)
    assert given_up.ends == [end]


def test_a_step_that_was_broken_off_is_made_again() -> None:
    rig = Rig()
    asker = rig.ask(50, 6, 40)
    rig.embedder.step(beside=False)
    for _ in range(3):
        rig.embedder.abort()
        assert rig.embedder.step(beside=False) is False
    rig.run()
    asker.check("mean")


def test_a_step_that_fails_ends_those_it_was_about() -> None:
    rig = Rig(WHOLE)
    lost = rig.ask(32)
    waits = rig.ask(8, first=300)
    rig.context.fail_next = True
    rig.embedder.step(beside=False)
    (error,) = lost.ends
    assert isinstance(error, InternalError) and "as asked" in error.message
    rig.run()
    waits.check("cls")
    after = rig.ask(64 // 2, 3)
    rig.run()
    after.check("cls")


def test_closing_ends_all_and_gives_the_context_back() -> None:
    rig = Rig()
    askers = [rig.ask(64, 3), rig.ask(1)]
    rig.embedder.close()
    assert all(isinstance(end, WizError) for asker in askers for end in asker.ends)
    assert all(len(asker.ends) == 1 for asker in askers)
    assert rig.context.closed and not rig.embedder.is_busy


def test_normalized_vectors_have_length_one_and_zeros_stay() -> None:
    vectors = np.array([[3, 4], [0, 0], [1e-20, 0]], np.float32)
    found = normalized(vectors)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), [1, 0, 1], atol=1e-6)
    assert found.dtype == np.float32


def test_cosines_are_those_of_directions() -> None:
    vectors = np.array([[2, 0], [0, 5], [-1, 0], [1, 1], [0, 0]], np.float32)
    expected = [1, 0, -1, 0.5**0.5, 0]
    assert cosines(vectors, np.array([7, 0], np.float32)) == pytest.approx(expected)
