"""Whether a JSON answer is what its schema says, by a validator that did not write it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from jsonschema_rs import ReferencingError, RegexOptions, validator_for

from wiz_kernel_ext.engine.constraints.schema_parts import COMBINING, parts_of, target
from wiz_kernel_ext.errors import AnswerInvalid, ConstraintRefused

_LINEAR = RegexOptions()
"""Expressions that take no longer than their text: a schema may come with any."""

MOST_WAYS = 5_000


def n_ways(schema: dict[str, Any]) -> int:
    """About how often one value may be looked at by `schema`, up to MOST_WAYS.

    A validator tries all alternatives, and theirs, at every place; where they contain themselves,
    that doubles with each level of the answer.
    """
    known: dict[int, int] = {}
    under_way: set[int] = set()
    is_recursive = combines = False

    def ways(part: Any) -> int:
        nonlocal is_recursive, combines
        if not isinstance(part, dict):
            return 1
        if id(part) in under_way:
            is_recursive = True
            return 1
        if id(part) not in known:
            under_way.add(id(part))
            combines |= bool(COMBINING & part.keys())
            total = 1 + sum(ways(one) for one in parts_of(part))
            if isinstance(reference := part.get("$ref"), str):
                total += ways(target(schema, reference))
            known[id(part)] = min(total, MOST_WAYS)
            under_way.discard(id(part))
        return known[id(part)]

    n = ways(schema)
    return MOST_WAYS if is_recursive and combines else n


def _fetches_nothing(address: str) -> Any:
    """A schema may name any address; none is ever asked."""
    raise ValueError(f"{address} is not in the schema, and nothing is fetched for it")


def checker_of(schema: dict[str, Any]) -> Callable[[str], None]:
    """What raises AnswerInvalid for a text that is not JSON that `schema` takes.

    Where a validator might take for ever, only that it is JSON is looked at: that the answer is of
    its grammar is known. Raises ConstraintRefused where it is no schema.
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

    is_bounded = n_ways(schema) < MOST_WAYS

    def check(text: str) -> None:
        try:
            value = json.loads(text)
            found = next(iter(validator.iter_errors(value)), None) if is_bounded else None
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
