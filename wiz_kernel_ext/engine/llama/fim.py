"""Fill-in-the-middle tokens of a vocabulary, as llama.cpp finds them: by metadata or text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llama_cpp as c

from wiz_kernel_ext.engine.backend import FimTokens
from wiz_kernel_ext.engine.chat.fill_in import is_usable


def fim_tokens(vocab: Any, text_of: Callable[[int], str]) -> FimTokens | None:
    """The tokens of `vocab`; None where it has too few to go by."""
    prefix, suffix = c.llama_vocab_fim_pre(vocab), c.llama_vocab_fim_suf(vocab)
    middle = c.llama_vocab_fim_mid(vocab)
    if prefix < 0 or suffix < 0:
        return None
    if not is_usable(text_of(prefix), text_of(suffix), has_middle=middle >= 0):
        return None
    others = (
        c.llama_vocab_fim_pad(vocab),
        c.llama_vocab_fim_rep(vocab),
        c.llama_vocab_fim_sep(vocab),
        c.llama_vocab_eot(vocab),
    )
    return FimTokens(
        prefix=prefix,
        suffix=suffix,
        middle=middle if middle >= 0 else None,
        ends=frozenset(token for token in (prefix, suffix, middle, *others) if token >= 0),
    )
