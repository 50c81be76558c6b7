"""JSON schemas as they can be enforced: to the letter, and with an end to everything.

A small model that has nothing more to say goes on inside a string or a list until the context is
full. So what has no bound gets one, wide enough for what people mean. What llguidance enforces
loosely is said so that it is exact, or refused: what is made of a schema only allows less. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from wiz_kernel_ext.engine.constraints.formats import PATTERNS
from wiz_kernel_ext.engine.constraints.patterns import exact
from wiz_kernel_ext.engine.constraints.schema_parts import (
    Schema,
    all_in,
    listed,
    over_parts,
    target,
)
from wiz_kernel_ext.errors import ConstraintRefused

MOST_CHARS = 4096
"""The longest string where the schema names no length, pattern or format."""
MOST_ITEMS = 1000
"""The longest list where the schema names no length."""

_EXACT = 2**53
"""Whole numbers up to it are told apart by all that read JSON."""
_UNWRITABLE = re.compile(r"[\x00-\x07\x0b\x0e-\x1f\x7f]")
"""Control characters without a short escape."""
_NEXT = 1e-9
"""How far inside an exclusive bound a number begins."""
_BOUND_ALREADY = {"maxLength", "pattern", "format", "enum", "const", "$ref"}


def enforceable(schema: dict[str, Any]) -> dict[str, Any]:
    """`schema` with bounds; raises ConstraintRefused where nothing finite could fit it."""
    if not _Endings(schema).ends(schema):
        raise ConstraintRefused(
            "The schema of the answer is refused: it contains itself without an end.",
            hint="Let the recursion end: a property that is not required, an `anyOf` with null, "
            "or a list that may be empty.",
            field="schema",
            keywords=["$ref"],
        )
    closes = not any(map(_is_combined, all_in(schema)))
    bounded: dict[str, Any] = _bounded(schema, closes=closes)
    return bounded


def _is_combined(schema: dict[str, Any]) -> bool:
    """Whether several schemas say together what an object has: then none of them says all."""
    parts = schema.keys() & {"anyOf", "oneOf", "$ref"}
    return "allOf" in schema or bool(parts and schema.keys() & {"properties", "required"})


def check_parts(schema: dict[str, Any]) -> None:
    """Raise ConstraintRefused for a pattern or a reference that cannot be followed, saying why."""
    has_names = any({"$id", "$anchor", "$dynamicAnchor"} & one.keys() for one in all_in(schema))
    for one in all_in(schema):
        reference = one.get("$ref")
        if isinstance(reference, str) and not has_names:
            if not reference.startswith("#"):
                raise _loose("$ref", f"{reference!r} is not in the schema, and nothing is fetched")
            if not isinstance(target(schema, reference), dict | bool):
                raise _loose("$ref", f"there is no schema at {reference!r}")
            if not reference.isascii():
                raise _loose("$ref", f"{reference!r} has to be percent-encoded")
        if isinstance(pattern := one.get("pattern"), str):
            _pattern(pattern, "pattern")
        for key in named if isinstance(named := one.get("patternProperties"), dict) else ():
            _pattern(key, "patternProperties")


def _bounded(schema: Schema, *, closes: bool) -> Schema:
    """`schema` with bounds; with `closes` an object has the properties that it names only."""
    if not isinstance(schema, dict):
        return schema
    made = _exact(over_parts(schema, lambda part: _bounded(part, closes=closes)))
    kinds = made.get("type")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if "string" in (kinds or ()) and not _BOUND_ALREADY & made.keys():
        made["maxLength"] = max(MOST_CHARS, _number(made.get("minLength")))
    if "array" in (kinds or ()) and not {"maxItems", "enum", "const"} & made.keys():
        made["maxItems"] = max(
            MOST_ITEMS, _number(made.get("minItems")), len(made.get("prefixItems") or ())
        )
    is_named = bool(made.get("properties")) and "patternProperties" not in made
    if closes and is_named:
        made.setdefault("additionalProperties", False)
    return made


def _exact(made: dict[str, Any]) -> dict[str, Any]:
    """A schema of which nothing is enforced loosely; raises ConstraintRefused."""
    if made.get("format") in PATTERNS and "pattern" not in made:
        made["pattern"] = PATTERNS[made.pop("format")]
    elif isinstance(made.get("pattern"), str):
        made["pattern"] = _pattern(made["pattern"], "pattern")
    if isinstance(named := made.get("patternProperties"), dict):
        made["patternProperties"] = {
            _pattern(key, "patternProperties"): part for key, part in named.items()
        }
    for key in ("const", "enum"):
        if _has(made.get(key), _is_large):
            raise _loose(key, "it has a number beyond 53 bits")
        if _has(made.get(key), _is_unwritable):
            raise _loose(key, "it has a control character")
    _set_bounds(made)
    n_required = len(made.get("required") or ())
    if _number(made.get("minProperties")) > max(1, n_required):
        raise _loose("minProperties", "the same property twice would count as two")
    return made


def _pattern(pattern: str, keyword: str) -> str:
    try:
        return exact(pattern)
    except ValueError as error:
        raise _loose(keyword, f"of {pattern[:80]!r}: {error}") from None


def _set_bounds(made: dict[str, Any]) -> None:
    """Bounds of numbers within what is told apart."""
    for key, sign in (("minimum", 1), ("maximum", -1)):
        other = f"exclusive{key.title()}"
        for name in (key, other):
            value: Any = made.get(name)
            if not _is_number(value) or abs(value) <= _EXACT:
                continue
            if value * sign > 0:
                raise _loose(name, "it is beyond 53 bits")
            made[name] = -_EXACT * sign
        value = made.get(other)
        if _is_number(value) and made.get("type") != "integer":
            del made[other]
            inside = value + sign * _NEXT * max(1.0, abs(value))
            known = made.get(key, inside)
            made[key] = max(known, inside) if sign > 0 else min(known, inside)


def _has(value: Any, holds: Callable[[Any], bool]) -> bool:
    """Whether `holds` of a number or text in a JSON value, its names too."""
    if isinstance(value, dict):
        value = [*value, *value.values()]
    return any(_has(one, holds) for one in value) if isinstance(value, list) else holds(value)


def _is_large(value: Any) -> bool:
    return _is_number(value) and abs(value) > _EXACT


def _is_unwritable(value: Any) -> bool:
    """Whether a text has what JSON writes by its number only."""
    return isinstance(value, str) and _UNWRITABLE.search(value) is not None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _loose(keyword: str, why: str) -> ConstraintRefused:
    return ConstraintRefused(
        f"The schema of the answer is refused: `{keyword}` cannot be enforced: {why}.",
        hint="Say it otherwise, or leave it out and check the answer for it afterwards.",
        field="schema",
        keywords=[keyword],
    )


def _number(value: Any) -> int:
    return int(value) if isinstance(value, int | float) else 0


class _Endings:
    """Which schemas something finite fits: found for all that refer to each other together."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._known: set[str] = set()
        """References that come to an end."""
        references = {one["$ref"] for one in all_in(root) if isinstance(one.get("$ref"), str)}
        while more := {r for r in references - self._known if self.ends(target(root, r))}:
            self._known |= more

    def ends(self, schema: Schema) -> bool:
        """Whether something finite fits it, by what is known of references."""
        if not isinstance(schema, dict):
            return True
        if isinstance(reference := schema.get("$ref"), str) and reference not in self._known:
            return False
        if not all(self.ends(one) for one in listed(schema, "allOf")):
            return False
        for key in ("anyOf", "oneOf"):
            if (ways := listed(schema, key)) and not any(self.ends(one) for one in ways):
                return False
        kinds = schema.get("type")
        kinds = [kinds] if isinstance(kinds, str) else kinds or ["object"]
        if any(kind not in ("object", "array") for kind in kinds):
            return True
        ends = {"object": self._object_ends, "array": self._array_ends}
        return any(ends[kind](schema) for kind in kinds)

    def _object_ends(self, schema: dict[str, Any]) -> bool:
        properties = schema.get("properties")
        properties = properties if isinstance(properties, dict) else {}
        return all(self.ends(properties.get(name, True)) for name in listed(schema, "required"))

    def _array_ends(self, schema: dict[str, Any]) -> bool:
        n_least = _number(schema.get("minItems"))
        first = listed(schema, "prefixItems")[:n_least]
        rest = schema.get("items", True) if n_least > len(first) else True
        return all(self.ends(one) for one in [*first, rest])
