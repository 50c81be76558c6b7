"""Schemas get bounds where they have none, and are refused where they have no end."""

from __future__ import annotations

from typing import Any

import pytest

from wiz_kernel_ext.engine.constraints.json_schema import MOST_CHARS, MOST_ITEMS, enforceable
from wiz_kernel_ext.errors import ConstraintRefused


@pytest.mark.parametrize(
    ("schema", "bounded"),
    [
        ({"type": "string"}, {"type": "string", "maxLength": MOST_CHARS}),
        ({"type": ["string", "null"]}, {"type": ["string", "null"], "maxLength": MOST_CHARS}),
        (
            {"type": "string", "minLength": 9999},
            {"type": "string", "minLength": 9999, "maxLength": 9999},
        ),
        ({"type": "string", "pattern": "a+"}, {"type": "string", "pattern": "a+"}),
        ({"type": "string", "enum": ["a"]}, {"type": "string", "enum": ["a"]}),
        ({"type": "array"}, {"type": "array", "maxItems": MOST_ITEMS}),
        ({"type": "array", "maxItems": 5}, {"type": "array", "maxItems": 5}),
        (
            {"type": "object", "properties": {"a": {"type": "string"}}},
            {
                "type": "object",
                "properties": {"a": {"type": "string", "maxLength": MOST_CHARS}},
                "additionalProperties": False,
            },
        ),
        ({"type": "object"}, {"type": "object"}),
        (
            {"properties": {"a": {}}, "additionalProperties": True},
            {"properties": {"a": {}}, "additionalProperties": True},
        ),
        ({}, {}),
    ],
)
def test_what_has_no_bound_gets_one(schema: dict[str, Any], bounded: dict[str, Any]) -> None:
    before = repr(schema)
    assert enforceable(schema) == bounded
    assert repr(schema) == before


def test_parts_that_say_together_what_an_object_has_are_not_closed() -> None:
    parts = [{"properties": {"a": {"type": "integer"}}}, {"properties": {"b": {}}}]
    assert enforceable({"allOf": parts}) == {"allOf": parts}


def test_properties_called_like_keywords_are_properties() -> None:
    schema = {"properties": {"items": {"type": "string"}, "$ref": {"type": "integer"}}}
    made = enforceable(schema)["properties"]
    assert made["items"]["maxLength"] == MOST_CHARS
    assert made["$ref"] == {"type": "integer"}


TREE = {"type": "object", "properties": {"next": {"$ref": "#"}}}


@pytest.mark.parametrize(
    "schema",
    [
        TREE,
        {**TREE, "properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}},
        {"$ref": "#/$defs/n", "$defs": {"n": {"type": "array", "items": {"$ref": "#/$defs/n"}}}},
        {"type": ["object", "null"], "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
        {"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "null"}}},
    ],
)
def test_recursion_that_can_end_is_taken(schema: dict[str, Any]) -> None:
    enforceable(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {**TREE, "required": ["next"]},
        {"$ref": "#"},
        {"allOf": [{"type": "object"}, {"$ref": "#"}]},
        {"anyOf": [{"$ref": "#"}, {"$ref": "#/anyOf/0"}]},
        {"type": "array", "items": {"$ref": "#"}, "minItems": 1},
        {"type": "array", "prefixItems": [{"type": "null"}, {"$ref": "#"}], "minItems": 2},
        {
            "$ref": "#/$defs/a",
            "$defs": {
                "a": {"properties": {"b": {"$ref": "#/$defs/b"}}, "required": ["b"]},
                "b": {"properties": {"a": {"$ref": "#/$defs/a"}}, "required": ["a"]},
            },
        },
    ],
)
def test_recursion_without_an_end_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(ConstraintRefused, match="without an end"):
        enforceable(schema)
