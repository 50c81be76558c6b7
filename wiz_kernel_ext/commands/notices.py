"""What a load or an answer has to say beside its result, as people read it. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from wiz_kernel_ext.protocol.answer import Answer

NOT_KEPT = " cannot be kept"
ENDINGS = {
    "length": "cut off at the limit",
    "cancelled": "interrupted",
    "interrupted": "cut off",
    "runaway": "ended: it repeated itself",
}
"""How an answer ended, by its finish reason, where it did not end by itself."""


def ending(answer: Answer) -> str:
    """How an answer ended, where that is worth a word."""
    words = [ENDINGS.get(answer.finish_reason, "")]
    words += ["not whole: it has no value"] if answer.incomplete else []
    return " · ".join(filter(None, words))


def one_each(notices: Iterable[str]) -> list[str]:
    """The notices, each once; of several with one reason ("…: disk full") only the first.

    What cannot be kept is one matter, however the disk words its refusal the next time.
    """
    seen: dict[str, str] = {}
    for notice in notices:
        what, _, reason = notice.partition(": ")
        matter = NOT_KEPT if what.endswith(NOT_KEPT) else reason or notice
        seen.setdefault(matter, notice)
    return list(seen.values())
