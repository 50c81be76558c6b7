"""How likely the tokens of an answer were, as the wire tells it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from wiz_kernel_ext.engine.backend import Model
from wiz_kernel_ext.protocol.results import TokenChance, TokenLogprob


def log_softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The natural logarithms of the probabilities that `logits` stand for."""
    shifted = logits - logits.max()
    result: npt.NDArray[np.float32] = shifted - np.log(np.exp(shifted).sum())
    return result


def token_logprob(
    token: int, logprobs: npt.NDArray[np.float32], n_top: int, model: Model
) -> TokenLogprob:
    """What is told of a `token` that was picked, with the `n_top` likeliest in its place."""
    top = np.argpartition(logprobs, -n_top)[-n_top:] if n_top else np.array([], np.intp)
    top = top[np.argsort(-logprobs[top], kind="stable")]
    return TokenLogprob(
        text=_text(token, model),
        token=token,
        logprob=float(logprobs[token]),
        top=[
            TokenChance(text=_text(int(t), model), token=int(t), logprob=float(logprobs[t]))
            for t in top
        ],
    )


def _text(token: int, model: Model) -> str:
    """What a token prints; what is no whole character by itself is marked."""
    return (model.piece(token) or model.text_of(token).encode()).decode("utf-8", "replace")
