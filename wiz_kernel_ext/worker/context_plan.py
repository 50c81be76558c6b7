"""What a context is made with, from what was asked for and what the model is: the defaults.

Pure but for the count of cores. Called by `ModelHost`.
"""

from __future__ import annotations

from dataclasses import dataclass

from wiz_kernel_ext.engine.backend import ContextParameters, ModelFacts
from wiz_kernel_ext.engine.threads import default_threads
from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.protocol.context_defaults import (
    CONTEXT_SIZE,
    SEQUENCES,
    batch_size_for,
    context_size_for,
    pool_size_for,
    sequence_ids_for,
)
from wiz_kernel_ext.protocol.requests import CreateContext
from wiz_kernel_ext.protocol.results import ContextInfo


@dataclass(frozen=True)
class ContextPlan:
    """`context_size` is for one conversation, `parameters` for the whole context."""

    context_size: int
    sequences: int
    seed: int | None
    parameters: ContextParameters
    notices: list[str]

    def info(self, model_path: str, pool_size: int) -> ContextInfo:
        """The context's facts; `pool_size` is what the library made of the one asked for."""
        return ContextInfo(
            model_path=model_path,
            context_size=self.context_size,
            sequences=self.sequences,
            threads=self.parameters.threads,
            batch_size=self.parameters.batch_size,
            pool_size=pool_size,
            kv_type=self.parameters.kv_type,
            flash_attention=self.parameters.flash_attention,
            seed=self.seed,
            notices=self.notices,
        )


def plan_context(request: CreateContext, facts: ModelFacts) -> ContextPlan:
    """The context for `request` on a model with `facts`; raises BadRequest for what cannot be."""
    notices = []
    n_ctx_train = facts.n_ctx_train or CONTEXT_SIZE
    context_size = context_size_for(request.context_size, n_ctx_train)
    if context_size > n_ctx_train:
        notices.append(
            f"The model was trained on {n_ctx_train} tokens of context; "
            f"beyond them its answers get worse."
        )
    sequences = request.sequences or SEQUENCES
    kv_type = request.kv_type or "f16"
    flash_attention = bool(request.flash_attention)
    if kv_type.startswith("q") and not flash_attention:
        if request.flash_attention is False:
            raise BadRequest(
                f"kvType {kv_type} needs flash attention (flashAttention).",
                hint="Leave flashAttention out, or use kvType f16.",
                field="flashAttention",
            )
        flash_attention = True
        notices.append(f"kvType {kv_type} needs flash attention: it is on.")
    parameters = ContextParameters(
        pool_size=pool_size_for(context_size, sequences),
        sequence_ids=sequence_ids_for(sequences),
        batch_size=batch_size_for(request.batch_size, sequences),
        threads=request.threads or default_threads(facts.n_params),
        kv_type=kv_type,
        flash_attention=flash_attention,
    )
    return ContextPlan(context_size, sequences, request.seed, parameters, notices)
