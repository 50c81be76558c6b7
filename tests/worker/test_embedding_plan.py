"""How a context for vectors is made: what is read whole, what in pieces, and what memory allows."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.engine.fake_backend import FakeModel
from wiz_kernel_ext.engine.backend import ModelFacts
from wiz_kernel_ext.engine.vectors import EmbeddingFacts, EmbeddingParameters
from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.protocol.requests import CreateContext
from wiz_kernel_ext.worker.differences import context_difference
from wiz_kernel_ext.worker.embedding_plan import MOST_LOGITS_BYTES, context_info, plan_embedding

READER = EmbeddingFacts(n_dims=384, pooling="mean", is_causal=False, writes=False)
CHAT = EmbeddingFacts(n_dims=384, pooling=None, is_causal=True, writes=True)
RATER = EmbeddingFacts(n_dims=384, pooling="rank", is_causal=True, writes=True)


def plan(own: EmbeddingFacts, n_ctx_train: int, n_vocab: int = 1000, **asked: Any) -> Any:
    facts = vars(FakeModel().facts) | {"n_ctx_train": n_ctx_train, "n_vocab": n_vocab}
    return plan_embedding(CreateContext(**asked), ModelFacts(**facts), own)


@pytest.mark.parametrize(("n_ctx_train", "longest", "batch"), [(512, 512, 512), (8192, 2048, 2048)])
def test_what_reads_whole_texts_has_room_for_one_in_a_step(
    n_ctx_train: int, longest: int, batch: int
) -> None:
    parameters: EmbeddingParameters = plan(READER, n_ctx_train)
    assert (parameters.longest, parameters.batch_size) == (longest, batch)
    assert parameters.packed == 256
    assert plan(READER, 8192, context_size=8192).batch_size == 8192


def test_a_chat_model_reads_as_long_a_text_as_its_context() -> None:
    parameters = plan(CHAT, 32_768, context_size=6000)
    assert (parameters.longest, parameters.batch_size, parameters.packed) == (6000, 512, 512)


@pytest.mark.parametrize("n_vocab", [49_152, 152_000, 262_144])
def test_the_logits_of_a_step_are_bounded(n_vocab: int) -> None:
    rows = plan(CHAT, 8192, n_vocab, context_size=4096).batch_size
    assert 64 <= rows <= 512 and rows * n_vocab * 8 <= MOST_LOGITS_BYTES
    rated = plan(RATER, 32_768, n_vocab)
    assert rated.longest == rated.batch_size == 512


def test_more_than_a_reader_has_learned_is_refused_and_what_was_asked_is_no_difference() -> None:
    with pytest.raises(BadRequest, match="at most 512 tokens"):
        plan(READER, 512, context_size=513)
    for asked in (CreateContext(), CreateContext(context_size=100, threads=2, batch_size=300)):
        named = {k: v for k, v in msgspec.structs.asdict(asked).items() if v is not None}
        named.pop("reload")
        info = context_info("m", asked, plan(READER, 512, **named))
        assert context_difference(info, asked) == {}
