"""What became of a schema that was asked for, whoever was asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tests.corpora.schemas.case import Case
from tests.corpora.schemas.checking import fault

Verdict = Literal[
    "valid",
    "incomplete",
    "refused rightly",
    "refused, not named",
    "refused wrongly",
    "invalid",
    "crashed",
    "hung",
]
RIGHT: frozenset[Verdict] = frozenset({"valid", "incomplete", "refused rightly"})


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """An answer, or how it ended without one.

    `refusal` is what a refusal said. `is_incomplete`: it was cut, and says so. `ending` is set
    where there is neither: whoever was asked died of it, or did not come back in time.
    """

    text: str = ""
    is_incomplete: bool = False
    refusal: str | None = None
    ending: Literal["", "crashed", "hung"] = ""
    n_tokens: int = 0
    seconds: float = 0.0


def judge(case: Case, outcome: Outcome) -> tuple[Verdict, str]:
    """What it was, and why."""
    if outcome.ending:
        return outcome.ending, ""
    if outcome.refusal is not None:
        if case.refused is None:
            return "refused wrongly", outcome.refusal
        is_named = case.names_it(outcome.refusal)
        return "refused rightly" if is_named else "refused, not named", outcome.refusal
    if case.refused is not None and not case.may_be_enforced:
        return "invalid", f"not refused: {outcome.text[:200]!r}"
    if outcome.is_incomplete:
        return "incomplete", ""
    why = fault(case.schema, outcome.text) if case.is_checkable else ""
    return ("invalid", f"{why[:200]} in {outcome.text[:200]!r}") if why else ("valid", "")
