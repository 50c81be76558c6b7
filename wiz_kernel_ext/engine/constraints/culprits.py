"""Which keyword of a refused schema is to blame: the one without which it would be taken.

llguidance says what is wrong, in its own words and without the place. Asked only for an error.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from llguidance import LLMatcher

TIME_LIMIT_S = 1.0
_INNOCENT = {"properties", "$defs", "definitions", "title", "description", "default", "examples"}


def culprits(schema: dict[str, Any], clock: Callable[[], float] = time.monotonic) -> list[str]:
    """The keywords any one of which is in the way, as far as they are found in time."""
    found: list[str] = []
    deadline = clock() + TIME_LIMIT_S
    for keyword in [*sorted(_keywords(schema) - _INNOCENT - {"type"}), "type"]:
        if clock() > deadline or (keyword == "type" and found):
            break
        grammar = LLMatcher.grammar_from_json_schema(_without(schema, keyword))
        if not LLMatcher.validate_grammar(grammar):
            found.append(keyword)
    return found


def _keywords(value: Any) -> set[str]:
    """The names in a schema, those of properties too."""
    if isinstance(value, list):
        return set().union(*map(_keywords, value))
    if not isinstance(value, dict):
        return set()
    return set(value).union(*map(_keywords, value.values()))


def _without(value: Any, keyword: str) -> Any:
    if isinstance(value, list):
        return [_without(one, keyword) for one in value]
    if not isinstance(value, dict):
        return value
    return {key: _without(one, keyword) for key, one in value.items() if key != keyword}
