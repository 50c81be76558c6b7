"""How a context for vectors is made, from what was asked for and what the model is. Pure.

What reads a text whole computes it at once: so its longest text is its step. Called by `ModelHost`.
"""

from __future__ import annotations

from wiz_kernel_ext.engine.backend import ModelFacts
from wiz_kernel_ext.engine.threads import default_threads
from wiz_kernel_ext.engine.vectors import EmbeddingFacts, EmbeddingParameters
from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.protocol.context_defaults import (
    BATCH_SIZE,
    CARD_BATCH_SIZE,
    SEQUENCES,
)
from wiz_kernel_ext.protocol.requests import CreateContext
from wiz_kernel_ext.protocol.results import ContextInfo

LONGEST = 2048
"""The longest text of a model that reads texts whole, where nothing else is asked for: what it
computes at once grows with the square of that."""
LONGEST_RATED = 512
"""And of one that rates texts by what it would write: see MOST_LOGITS_BYTES."""
PACKED = 256
"""Of what reads texts whole each token is compared with all of its step, also with other texts':
beyond this a longer step costs more than it saves."""
N_TEXTS = 64
"""Of one step; all that are waiting share its tokens."""
MOST_LOGITS_BYTES = 1 << 28
"""The library keeps logits for every row of a step, where a model has some, and computes them."""
_LEAST_BATCH = 64


def plan_embedding(
    request: CreateContext, facts: ModelFacts, own: EmbeddingFacts, *, n_on_cards: int = 0
) -> EmbeddingParameters:
    """The context for vectors where `request` is the one for answers, on a model with `facts`.

    Raises BadRequest for longer texts than the model has learned to read.
    """
    asked, most = request.context_size, facts.n_ctx_train
    if asked and most and asked > most and not own.writes:
        raise BadRequest(
            f"{facts.name or 'The model'} reads at most {most} tokens.",
            hint=f"Leave contextSize out, or give at most {most}.",
            field="contextSize",
        )
    on_card = n_on_cards > 0
    batch_size = CARD_BATCH_SIZE if on_card else BATCH_SIZE
    rows = MOST_LOGITS_BYTES // (2 * 4 * max(facts.n_vocab, 1)) if own.writes else batch_size
    batch_size = max(_LEAST_BATCH, min(batch_size, rows))
    if own.in_pieces:
        longest = asked or min(most or LONGEST, 2 * LONGEST)
    else:
        longest = asked or min(most or LONGEST, LONGEST_RATED if own.writes else LONGEST)
        batch_size = max(batch_size, longest)
    return EmbeddingParameters(
        longest=longest,
        batch_size=batch_size,
        packed=batch_size if own.in_pieces or on_card else min(batch_size, PACKED),
        n_texts=N_TEXTS,
        threads=request.threads or default_threads(facts.n_params),
        flash_attention=request.flash_attention if on_card else bool(request.flash_attention),
    )


def context_info(
    model_path: str, request: CreateContext, parameters: EmbeddingParameters
) -> ContextInfo:
    """What is said of the context of a model that only makes vectors."""
    return ContextInfo(
        model_path=model_path,
        context_size=parameters.longest,
        sequences=request.sequences or SEQUENCES,
        threads=parameters.threads,
        batch_size=request.batch_size or parameters.batch_size,
        pool_size=parameters.longest,
        kv_type=request.kv_type or "f16",
        flash_attention=bool(parameters.flash_attention),
        seed=request.seed,
        notices=[],
    )
