"""What a context is made with, from what was asked for and what the model is: the defaults.

Pure but for the count of cores. Called by `ModelHost`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from wiz_kernel_ext.engine.backend import Context, ContextParameters, ModelFacts
from wiz_kernel_ext.engine.kv_memory import N_IN_THE_WAY
from wiz_kernel_ext.engine.threads import default_threads
from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.protocol.context_defaults import (
    CONTEXT_SIZE,
    SEQUENCES,
    batch_size_for,
    context_size_for,
    micro_batch_size_for,
    pool_size_for,
    sequence_ids_for,
)
from wiz_kernel_ext.protocol.requests import CreateContext
from wiz_kernel_ext.protocol.results import ContextInfo


@dataclass(frozen=True)
class ContextPlan:
    """`context_size` is for one conversation, `parameters` for the whole context.

    `n_in_the_way` is how many cells of resting conversations slow the others too much to stay.
    """

    context_size: int
    sequences: int
    seed: int | None
    parameters: ContextParameters
    notices: list[str]
    n_in_the_way: int
    reproducible: bool = False

    def exact_parameters(self, piece_size: int) -> ContextParameters:
        """The context of the exact lane: one conversation, read in pieces of that many tokens."""
        return replace(
            self.parameters,
            pool_size=self.context_size,
            sequence_ids=1,
            batch_size=piece_size,
            micro_batch_size=0,
        )

    def info(self, model_path: str, context: Context) -> ContextInfo:
        """The context's facts, as the library made it."""
        return ContextInfo(
            model_path=model_path,
            context_size=self.context_size,
            sequences=self.sequences,
            threads=self.parameters.threads,
            batch_size=self.parameters.batch_size,
            pool_size=context.pool_size,
            kv_type=self.parameters.kv_type,
            flash_attention=context.flash_attention,
            seed=self.seed,
            reproducible=self.reproducible,
            notices=self.notices,
        )


def plan_context(
    request: CreateContext,
    facts: ModelFacts,
    *,
    n_on_cards: int = 0,
    open_context_size: int | None = None,
) -> ContextPlan:
    """The context for `request` on a model with `facts`, so many of its layers being on cards.

    `open_context_size` is its size where the request leaves that open (None: the model's default).
    Raises BadRequest for what cannot be.
    """
    notices = []
    n_ctx_train = facts.n_ctx_train or CONTEXT_SIZE
    on_card = n_on_cards > 0
    context_size = context_size_for(request.context_size or open_context_size, n_ctx_train)
    if context_size > n_ctx_train:
        notices.append(
            f"The model was trained on {n_ctx_train} tokens of context; "
            f"beyond them its answers get worse."
        )
    sequences = request.sequences or SEQUENCES
    kv_type = request.kv_type or "f16"
    flash_attention: bool | None = request.flash_attention
    if flash_attention is None and not on_card:
        flash_attention = False
    if kv_type.startswith("q") and flash_attention is not True:
        if request.flash_attention is False:
            raise BadRequest(
                f"kvType {kv_type} needs flash attention (flashAttention).",
                hint="Leave flashAttention out, or use kvType f16.",
                field="flashAttention",
            )
        flash_attention = True
        if not on_card:
            notices.append(f"kvType {kv_type} needs flash attention: it is on.")
    pool_size = pool_size_for(context_size, sequences)
    batch_size = batch_size_for(request.batch_size, sequences, on_card=on_card)
    parameters = ContextParameters(
        pool_size=pool_size,
        sequence_ids=sequence_ids_for(sequences),
        batch_size=batch_size,
        micro_batch_size=micro_batch_size_for(batch_size, on_card=on_card),
        threads=request.threads or default_threads(facts.n_params),
        kv_type=kv_type,
        flash_attention=flash_attention,
    )
    # A card reads idle cells as fast as it reads anything; a layer left to the processor does not.
    is_whole = n_on_cards > facts.n_layers
    n_in_the_way = pool_size if is_whole else N_IN_THE_WAY
    return ContextPlan(
        context_size,
        sequences,
        request.seed,
        parameters,
        notices,
        n_in_the_way,
        bool(request.reproducible),
    )
