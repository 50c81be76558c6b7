"""What a load or an answer has to say beside its result, as people read it. Pure."""

from __future__ import annotations

from collections.abc import Iterable


def one_each(notices: Iterable[str]) -> list[str]:
    """The notices, each once; of several with one reason ("…: disk full") only the first."""
    seen: dict[str, str] = {}
    for notice in notices:
        _, _, reason = notice.partition(": ")
        seen.setdefault(reason or notice, notice)
    return list(seen.values())
