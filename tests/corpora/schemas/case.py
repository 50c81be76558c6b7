"""A schema of the corpus, and what is to become of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

Schema = dict[str, Any]
ALL = "all"


@dataclass(frozen=True)
class Case:
    """`refused` is the word a refusal has to name; None where the schema is to be enforced.

    Where one of several words will do they are joined by "|". With `may_be_enforced` both are
    right: to refuse it, and to answer as it says. `valid` and `invalid` are values of Python: the
    first fit the schema, the others do not. `never` are answers as text that may not come.
    `is_checkable`: a validator is through with it in good time.
    """

    name: str
    schema: Schema
    valid: Sequence[Any] = ()
    invalid: Sequence[Any] = ()
    refused: str | None = None
    may_be_enforced: bool = False
    never: Sequence[str] = ()
    is_checkable: bool = True
    group: str = field(default="", compare=False)

    def names_it(self, message: str) -> bool:
        """Whether a refusal's `message` says what of it cannot be enforced."""
        words = (self.refused or "").split("|")
        return any(word.lower() in message.lower() for word in words)


def grouped(group: str, cases: Iterable[Case]) -> list[Case]:
    """The same cases, under the name of their group."""
    return [replace(case, group=group, name=f"{group}: {case.name}") for case in cases]


def obj(
    properties: dict[str, Any], required: Sequence[str] | str = ALL, additional: Any = False
) -> Schema:
    """An object of these properties, all of them required unless said otherwise."""
    wanted = list(properties) if required == ALL else list(required)
    made: Schema = {"type": "object", "properties": properties}
    if wanted:
        made["required"] = wanted
    if additional is not None:
        made["additionalProperties"] = additional
    return made


def array(items: Any, **limits: Any) -> Schema:
    """An array of `items`."""
    return {"type": "array", "items": items, **limits}


STRING: Schema = {"type": "string"}
SHORT: Schema = {"type": "string", "maxLength": 12}
INTEGER: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
BOOLEAN: Schema = {"type": "boolean"}
NULL: Schema = {"type": "null"}
