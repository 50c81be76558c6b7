"""Where in a JSON schema other schemas stand: walked over, changed and referred to. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

Schema = Any
"""An object, or true or false."""
COMBINING = frozenset({"anyOf", "oneOf", "allOf", "if", "not", "dependentSchemas"})
"""What has one value looked at by several schemas."""
_ONE = ("items", "additionalProperties", "additionalItems", "contains", "not", "if", "then", "else")
_MANY = ("anyOf", "oneOf", "allOf", "prefixItems")
_NAMED = ("properties", "patternProperties", "dependentSchemas")
_DEFINED = ("$defs", "definitions")


def parts_of(schema: dict[str, Any]) -> Iterator[Schema]:
    """The schemas right inside one, but for those that are only defined there."""
    yield from (schema[key] for key in _ONE if key in schema)
    for key in _MANY:
        yield from listed(schema, key)
    for key in _NAMED:
        if isinstance(named := schema.get(key), dict):
            yield from named.values()


def over_parts(schema: dict[str, Any], change: Callable[[Schema], Schema]) -> dict[str, Any]:
    """A copy of `schema` with every schema in it changed."""
    made = dict(schema)
    for key in _ONE:
        if isinstance(made.get(key), dict):
            made[key] = change(made[key])
    for key in _MANY:
        if isinstance(made.get(key), list):
            made[key] = [change(one) for one in made[key]]
    for key in (*_NAMED, *_DEFINED):
        if isinstance(made.get(key), dict):
            made[key] = {name: change(one) for name, one in made[key].items()}
    return made


def target(root: dict[str, Any], reference: str) -> Schema | None:
    """What a reference inside `root` names; None where there is nothing."""
    found: Any = root
    for part in filter(None, reference.removeprefix("#").split("/")):
        name = unquote(part).replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict):
            found = found.get(name)
        elif isinstance(found, list) and name.isdigit() and int(name) < len(found):
            found = found[int(name)]
        else:
            return None
    return found


def all_in(schema: Schema) -> Iterator[dict[str, Any]]:
    """Every object in a schema, itself first."""
    if isinstance(schema, dict):
        yield schema
        for one in schema.values():
            yield from all_in(one)
    elif isinstance(schema, list):
        for one in schema:
            yield from all_in(one)


def listed(schema: dict[str, Any], key: str) -> list[Any]:
    """The list that `schema` has under `key`; an empty one where it has none."""
    value = schema.get(key)
    return value if isinstance(value, list) else []
