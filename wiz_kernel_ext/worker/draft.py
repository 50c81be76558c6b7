"""A small model that guesses what a large one says: loaded beside it, checked, and put to work.

It has to have the same tokens.

Called by `ModelHost`, on the engine's thread.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from wiz_kernel_ext.engine.backend import Context, LoadParameters, Model
from wiz_kernel_ext.engine.draft_model import DraftModel
from wiz_kernel_ext.errors import ModelLoadFailed
from wiz_kernel_ext.protocol.requests import CreateContext
from wiz_kernel_ext.worker.call import Call
from wiz_kernel_ext.worker.context_plan import ContextPlan, plan_context
from wiz_kernel_ext.worker.loaded import Loaded
from wiz_kernel_ext.worker.opening import Opening, create_context

_MOST_PADDING = 256
"""Tokens by which vocabularies of one family differ in length: nothing is written with those."""
_HINT = "Take a smaller model of the same family, or another quantization of the model itself."


def load_draft(
    loaded: Loaded, path: Path, parameters: LoadParameters, call: Call, opening: Opening
) -> None:
    """Load the model at `path` to guess for the one that is loaded; raises ModelLoadFailed."""
    draft = opening.load(path, parameters, call)
    try:
        check_draft(loaded.model, Path(loaded.info.model_path), draft, path)
    except Exception:
        draft.close()
        raise
    loaded.draft = draft
    loaded.info = replace(loaded.info, draft=str(path))


def make_drafter(
    loaded: Loaded,
    draft: Model,
    request: CreateContext,
    plan: ContextPlan,
    clock: Callable[[], float],
) -> DraftModel:
    """The model that guesses, with a context for as many tokens as the other one's `plan`."""
    placement = loaded.placement.draft if loaded.placement else None
    own = plan_context(
        request,
        draft.facts,
        n_on_cards=placement.n_on_cards if placement else 0,
        open_context_size=plan.context_size,
    )
    parameters = dataclasses.replace(own.parameters, threads=plan.parameters.threads)
    context = create_context(draft, parameters)
    try:
        check_draft_context(context, Path(loaded.info.draft))
    except Exception:
        context.close()
        raise
    return DraftModel(
        draft,
        context,
        sequence_ids=parameters.sequence_ids,
        batch_size=parameters.batch_size,
        clock=clock,
    )


def check_draft(model: Model, path: Path, draft: Model, draft_path: Path) -> None:
    """Raise ModelLoadFailed where `draft` has other tokens than `model`, with the first of them."""
    n, n_draft = model.facts.n_vocab, draft.facts.n_vocab
    if abs(n - n_draft) > _MOST_PADDING:
        raise _unfit(path, draft_path, f"it has {n_draft:,} tokens, and that {n:,}")
    for token in range(min(n, n_draft)):
        text, guessed = model.text_of(token), draft.text_of(token)
        if text != guessed:
            raise _unfit(path, draft_path, f"its token {token} is {guessed!r}, and there {text!r}")
        if model.ends_generation(token) != draft.ends_generation(token):
            raise _unfit(path, draft_path, f"its token {token}, {text!r}, ends answers otherwise")


def check_draft_context(context: Context, draft_path: Path) -> None:
    """Raise ModelLoadFailed where what was guessed wrong could not be taken back."""
    if not context.can_cut:
        raise ModelLoadFailed(
            f"{draft_path.name} cannot guess: a model of its kind cannot take tokens back.",
            hint=_HINT,
            log=[],
        )


def _unfit(path: Path, draft_path: Path, why: str) -> ModelLoadFailed:
    return ModelLoadFailed(
        f"{draft_path.name} cannot guess for {path.name}: {why}.", hint=_HINT, log=[]
    )
