"""What a context is made with when less is said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.engine.fake_backend import FakeModel
from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.protocol.requests import CreateContext
from wiz_kernel_ext.worker.context_plan import ContextPlan, plan_context

FACTS = FakeModel().facts


def plan(n_ctx_train: int = 32_768, **asked: object) -> ContextPlan:
    facts = replace(FACTS, n_ctx_train=n_ctx_train)
    return plan_context(CreateContext(**asked), facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(("n_ctx_train", "context_size"), [(32_768, 4096), (1024, 1024), (0, 4096)])
def test_the_default_context_is_the_models_own_up_to_4096(
    n_ctx_train: int, context_size: int
) -> None:
    assert plan(n_ctx_train).context_size == context_size
    assert plan(n_ctx_train).notices == []


@pytest.mark.parametrize(
    ("sequences", "pool_size"), [(1, 1000), (2, 2000), (8, 2000), (None, 2000)]
)
def test_the_pool_holds_two_full_conversations_or_as_many_as_there_are_sequences(
    sequences: int | None, pool_size: int
) -> None:
    made = plan(context_size=1000, sequences=sequences)
    assert made.parameters.pool_size == pool_size
    assert made.parameters.sequence_ids > made.sequences or made.sequences == 256


def test_a_batch_always_has_room_for_every_answer_and_some_reading() -> None:
    assert plan(batch_size=4, sequences=8).parameters.batch_size == 9
    assert plan().parameters.batch_size == 512


def test_quantized_cells_turn_flash_attention_on_unless_it_was_refused() -> None:
    made = plan(kv_type="q8_0")
    assert made.parameters.flash_attention
    assert "flash attention" in made.notices[0]
    assert not plan(kv_type="bf16").parameters.flash_attention
    with pytest.raises(BadRequest, match="flashAttention"):
        plan(kv_type="q8_0", flash_attention=False)


def test_more_context_than_the_model_was_trained_on_is_said() -> None:
    assert "trained on 1024" in plan(1024, context_size=2048).notices[0]
