"""Whether a JSON answer is what its schema says, by a validator that did not write it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from jsonschema_rs import ReferencingError, RegexOptions, validator_for

from wiz_kernel_ext.errors import AnswerInvalid, ConstraintRefused

_LINEAR = RegexOptions()
"""Expressions that take no longer than their text: a schema may come with any."""


def _fetches_nothing(address: str) -> Any:
    """A schema may name any address; none is ever asked."""
    raise ValueError(f"{address} is not in the schema, and nothing is fetched for it")


def checker_of(schema: dict[str, Any]) -> Callable[[str], None]:
    """What raises AnswerInvalid for a text that is not JSON that `schema` takes.

    Raises ConstraintRefused where it is no schema.
    """
    try:
        validator = validator_for(schema, pattern_options=_LINEAR, retriever=_fetches_nothing)
    except (ValueError, ReferencingError) as error:
        where = [part for part in getattr(error, "instance_path", []) if isinstance(part, str)]
        raise ConstraintRefused(
            f"The schema of the answer is refused: {str(error).splitlines()[0]}.",
            hint="It is no schema of its draft ($schema; 2020-12 where it names none).",
            field="schema",
            keywords=where,
        ) from None

    def check(text: str) -> None:
        try:
            found = next(iter(validator.iter_errors(json.loads(text))), None)
            why = found and f"{found.message} (at {'/'.join(map(str, found.instance_path))})"
        except ValueError as error:
            why = f"it is not JSON: {error}"
        if why:
            raise AnswerInvalid(
                f"The answer is not of its schema: {why[:500]}.",
                hint="This should not happen; ask again, and report the schema.",
                text=text,
            )

    return check
