"""Fill-in-the-middle: what stands before a gap and behind it, as tokens of a model that knows that.

No chat template: control tokens of the vocabulary's own mark the parts. Pure; called by `worker/`.
"""

from __future__ import annotations

from wiz_kernel_ext.engine.backend import Model
from wiz_kernel_ext.engine.chat.turns import Turns
from wiz_kernel_ext.errors import NotSupported

_SUFFIX_FIRST = "[SUFFIX]"
"""Mistral's token for it: that family reads what stands behind the gap first, and has no third."""


def fill_in(model: Model, before: str, behind: str, begun: str = "") -> tuple[list[int], Turns]:
    """The prompt's tokens, and what ends the answer; `begun` is how what is filled in begins.

    The order is prefix, suffix, middle, but for Mistral's family. Texts of control tokens in a part
    are text. Raises NotSupported where the vocabulary has no such tokens.
    """
    facts, fim = model.facts, model.facts.fim
    if fim is None:
        raise NotSupported(
            f"{facts.name or 'The model'} knows no fill-in-the-middle (`suffix`): its vocabulary "
            "has no tokens for it.",
            hint="Use a code model that has them (Qwen2.5-Coder, StarCoder2, CodeGemma, …), or ask "
            "for the gap in words.",
            field="suffix",
        )

    def text(part: str) -> list[int]:
        return model.tokenize(part, parse_special=False) if part else []

    bos = [facts.bos] if facts.add_bos and facts.bos is not None else []
    if fim.middle is None:
        tokens = [*bos, fim.suffix, *text(behind), fim.prefix, *text(before + begun)]
    else:
        parts = [fim.prefix, *text(before), fim.suffix, *text(behind), fim.middle, *text(begun)]
        tokens = [*bos, *parts]
    return tokens, Turns(tokens=fim.ends)


def is_usable(prefix_text: str, suffix_text: str, *, has_middle: bool) -> bool:
    """Whether tokens of these texts, and perhaps a third one, are enough to go by."""
    return bool(prefix_text and suffix_text) and (has_middle or suffix_text == _SUFFIX_FIRST)
