"""Whether a small model can guess what a large one says: it has to have the same tokens.

Called by `ModelHost`, on the engine's thread.
"""

from __future__ import annotations

from pathlib import Path

from wiz_kernel_ext.engine.backend import Context, Model
from wiz_kernel_ext.errors import ModelLoadFailed

_MOST_PADDING = 256
"""Tokens by which vocabularies of one family differ in length: nothing is written with those."""
_HINT = "Take a smaller model of the same family, or another quantization of the model itself."


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
