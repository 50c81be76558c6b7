"""A regex, a grammar or choices of the corpus, and what is to become of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Asked = TypeVar("Asked", str, Sequence[str])


@dataclass(frozen=True)
class TextCase(Generic[Asked]):
    """`asked` is it; `valid` and `invalid` are whole answers that fit and do not.

    `refused` is the word a refusal has to name (or one of several, joined by "|"); None where it is
    to be enforced. With `may_be_enforced` both are right.
    """

    name: str
    asked: Asked
    valid: Sequence[str] = ()
    invalid: Sequence[str] = ()
    refused: str | None = None
    may_be_enforced: bool = False
