"""Alternatives, intersections and references, recursive ones too."""

from __future__ import annotations

from typing import Any

from tests.corpora.schemas.case import (
    BOOLEAN,
    INTEGER,
    NULL,
    NUMBER,
    SHORT,
    STRING,
    Case,
    Schema,
    array,
    grouped,
    obj,
)


def kind(name: str, **properties: Schema) -> Schema:
    """An object marked by its kind."""
    return obj({"kind": {"const": name}, **properties})


CIRCLE = kind("circle", radius=NUMBER)
SQUARE = kind("square", side=NUMBER)
A = obj({"a": INTEGER}, ["a"], None)
B = obj({"b": SHORT}, ["b"], None)

ANY_OF = [
    Case("two types", {"anyOf": [INTEGER, SHORT]}, [1, "x"], [None, 1.5, []]),
    Case("or null", {"anyOf": [SHORT, NULL]}, ["x", None], [1]),
    Case("two kinds of object", {"anyOf": [CIRCLE, SQUARE]},
         [{"kind": "circle", "radius": 1}, {"kind": "square", "side": 2.5}],
         [{"kind": "circle", "side": 1}, {"kind": "triangle"}]),
    Case("that overlap", {"anyOf": [{"type": "integer", "minimum": 5}, INTEGER]}, [1, 9], ["x"]),
    Case("of one", {"anyOf": [INTEGER]}, [1], ["x"]),
    Case("of ten kinds", {"anyOf": [kind(f"k{n}", n=INTEGER) for n in range(10)]},
         [{"kind": "k7", "n": 1}], [{"kind": "k10", "n": 1}]),
    Case("in an array", array({"anyOf": [INTEGER, BOOLEAN]}, maxItems=4), [[1, True]], [["x"]]),
    Case("in a property", obj({"v": {"anyOf": [INTEGER, obj({"w": INTEGER})]}}),
         [{"v": 1}, {"v": {"w": 2}}], [{"v": "x"}, {"v": {}}]),
    Case("beside a type", {"type": "string", "anyOf": [{"maxLength": 2}, {"pattern": "^x+$"}]},
         ["ab", "xxxx"], ["abc", 1]),
    Case("ranges apart", {"type": "integer", "anyOf": [{"maximum": 0}, {"minimum": 10}]},
         [-5, 0, 10], [5]),
    Case("nested", {"anyOf": [{"anyOf": [INTEGER, NULL]}, {"anyOf": [BOOLEAN, SHORT]}]},
         [1, None, True, "x"], [[], 1.5]),
    Case("beside properties", {**obj({"a": INTEGER}, ["a"], None), "anyOf": [
        {"required": ["b"], "properties": {"b": INTEGER}},
        {"required": ["c"], "properties": {"c": INTEGER}}]},
        [{"a": 1, "b": 2}, {"a": 1, "c": 2}], [{"a": 1}, {"b": 1}]),
    Case("one that cannot be", {"anyOf": [False, INTEGER]}, [1], ["x"]),
]  # fmt: skip

ONE_OF = [
    Case("two types", {"oneOf": [INTEGER, SHORT]}, [1, "x"], [None, 1.5]),
    Case("two kinds of object", {"oneOf": [CIRCLE, SQUARE]},
         [{"kind": "circle", "radius": 1}], [{"kind": "circle", "side": 1}]),
    Case("ranges apart", {"oneOf": [
        {"type": "integer", "maximum": 0}, {"type": "integer", "minimum": 10}]}, [0, 10], [5],
        "oneOf", may_be_enforced=True),
    Case("constants", {"oneOf": [{"const": "a"}, {"const": "b"}, {"const": 1}]}, ["a", 1], ["c"]),
    Case("constants with titles", {"oneOf": [
        {"const": "low", "title": "Low"}, {"const": "high", "title": "High"}]}, ["low"], ["Low"]),
    Case("of one", {"oneOf": [INTEGER]}, [1], ["x"]),
    Case("object, array or text", {"oneOf": [obj({"a": INTEGER}), array(INTEGER), SHORT]},
         [{"a": 1}, [1], "x"], [1, {}]),
    Case("enums apart", {"oneOf": [{"enum": ["a", "b"]}, {"enum": ["c"]}]}, ["a", "c"], ["d"]),
    Case("beside a discriminator", {"oneOf": [CIRCLE, SQUARE],
                                    "discriminator": {"propertyName": "kind"}},
         [{"kind": "square", "side": 1}], [{"kind": "square"}]),
    Case("in an array", array({"oneOf": [NULL, BOOLEAN]}, maxItems=3), [[None, True]], [[1]]),
]  # fmt: skip

ALL_OF = [
    Case("bounds", {"allOf": [{"type": "integer", "minimum": 3}, {"maximum": 5}]}, [3, 5], [2, 6]),
    Case("two objects", {"allOf": [A, B]}, [{"a": 1, "b": "x"}], [{"a": 1}, {"b": "x"}]),
    Case("of one", {"allOf": [SHORT]}, ["x"], [1]),
    Case("lengths", {"type": "string", "allOf": [{"minLength": 2}, {"maxLength": 3}]}, ["ab"],
         ["a", "abcd"]),
    Case("patterns", {"type": "string", "allOf": [{"pattern": "^[a-f]+$"}, {"pattern": "c"}]},
         ["abc"], ["ab", "xcx"]),
    Case("types", {"allOf": [{"type": ["string", "integer"]}, {"type": ["integer", "null"]}]},
         [1], ["x", None]),
    Case("beside properties", {**A, "allOf": [B]}, [{"a": 1, "b": "x"}], [{"a": 1}]),
    Case("the same property", {"allOf": [
        obj({"a": {"type": "integer", "minimum": 1}}, ["a"], None),
        obj({"a": {"type": "integer", "maximum": 3}}, ["a"], None)]}, [{"a": 2}], [{"a": 4}]),
    Case("an enum cut", {"allOf": [{"enum": ["a", "b", "c"]}, {"enum": ["b", "c", "d"]}]}, ["b"],
         ["a", "d"]),
    Case("arrays", {"allOf": [array(INTEGER), {"type": "array", "maxItems": 2}]}, [[1]],
         [[1, 2, 3]]),
    Case("of nested ones", {"allOf": [{"allOf": [INTEGER]}, {"allOf": [{"minimum": 0}]}]}, [1],
         [-1]),
    Case("with an anyOf in it", {"allOf": [{"anyOf": [INTEGER, SHORT]}, {"anyOf": [SHORT, NULL]}]},
         ["x"], [1, None]),
]  # fmt: skip

POINT = obj({"x": NUMBER, "y": NUMBER})
REFS = [
    Case("to a definition", {"$ref": "#/$defs/p", "$defs": {"p": POINT}}, [{"x": 1, "y": 2}], [{}]),
    Case("twice the same", {**obj({"a": {"$ref": "#/$defs/p"}, "b": {"$ref": "#/$defs/p"}}),
                            "$defs": {"p": POINT}},
         [{"a": {"x": 1, "y": 2}, "b": {"x": 3, "y": 4}}], [{"a": {"x": 1, "y": 2}}]),
    Case("as older drafts have it", {"$ref": "#/definitions/p", "definitions": {"p": POINT}},
         [{"x": 1, "y": 2}], [{"x": 1}]),
    Case("through another", {"$ref": "#/$defs/a", "$defs": {
        "a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/c"}, "c": INTEGER}}, [1], ["x"]),
    Case("in an array", {**array({"$ref": "#/$defs/p"}, maxItems=2), "$defs": {"p": POINT}},
         [[], [{"x": 1, "y": 1}]], [[1]]),
    Case("with words beside it", {"$ref": "#/$defs/s", "maxLength": 3, "$defs": {"s": STRING}},
         ["abc"], ["abcd", 1]),
    Case("to a property", {**obj({"a": INTEGER, "b": {"$ref": "#/properties/a"}})},
         [{"a": 1, "b": 2}], [{"a": 1, "b": "x"}]),
    Case("an escaped name", {"$ref": "#/$defs/a~1b", "$defs": {"a/b": INTEGER}}, [1], ["x"]),
    Case("a name with a space", {"$ref": "#/$defs/a%20b", "$defs": {"a b": INTEGER}}, [1], ["x"]),
    Case("a name in Japanese", {"$ref": "#/$defs/点", "$defs": {"点": INTEGER}}, [1], ["x"],
         "$ref", may_be_enforced=True),
    Case("to an anchor", {"$ref": "#here", "$defs": {"h": {"$anchor": "here", **INTEGER}}}, [1],
         ["x"]),
    Case("definitions nobody uses", {**INTEGER, "$defs": {"p": POINT}}, [1], ["x"]),
    Case("in an anyOf", {"anyOf": [{"$ref": "#/$defs/p"}, NULL], "$defs": {"p": POINT}},
         [None, {"x": 1, "y": 2}], [1]),
    Case("a chain of ten", {"$ref": "#/$defs/d0", "$defs": {
        **{f"d{n}": obj({"n": {"$ref": f"#/$defs/d{n + 1}"}}) for n in range(10)},
        "d10": INTEGER}}, [], [{}, {"n": {}}]),
]  # fmt: skip

NODE = obj({"value": INTEGER, "next": {"anyOf": [{"$ref": "#/$defs/node"}, NULL]}})
TREE = obj({"name": SHORT, "children": array({"$ref": "#/$defs/tree"})})
EXPRESSION: dict[str, Any] = {
    "anyOf": [
        NUMBER,
        obj({
            "op": {"enum": ["+", "-", "*", "/"]},
            "left": {"$ref": "#/$defs/expression"},
            "right": {"$ref": "#/$defs/expression"},
        }),
    ]
}  # fmt: skip
RECURSIVE = [
    Case("a list", {"$ref": "#/$defs/node", "$defs": {"node": NODE}},
         [{"value": 1, "next": None}, {"value": 1, "next": {"value": 2, "next": None}}],
         [{"value": 1}, {"value": 1, "next": 2}]),
    Case("a tree", {"$ref": "#/$defs/tree", "$defs": {"tree": TREE}},
         [{"name": "a", "children": [{"name": "b", "children": []}]}],
         [{"name": "a"}, {"name": "a", "children": [1]}]),
    Case("an expression", {"$ref": "#/$defs/expression", "$defs": {"expression": EXPRESSION}},
         [1, {"op": "+", "left": 1, "right": {"op": "*", "left": 2, "right": 3}}],
         [{"op": "%", "left": 1, "right": 2}, {"op": "+", "left": 1}]),
    Case("to its root", obj({"name": SHORT, "child": {"$ref": "#"}}, ["name"]),
         [{"name": "a"}, {"name": "a", "child": {"name": "b"}}], [{}, {"name": "a", "child": 1}]),
    Case("any JSON", {"$ref": "#/$defs/json", "$defs": {"json": {"anyOf": [
        NULL, BOOLEAN, NUMBER, STRING, array({"$ref": "#/$defs/json"}),
        obj({}, [], {"$ref": "#/$defs/json"})]}}}, [None, [1, {"a": []}]], []),
    Case("arrays of arrays", array({"$ref": "#"}, maxItems=3), [[], [[], [[]]]], [[1], {}]),
    Case("two that need each other", {"$ref": "#/$defs/a", "$defs": {
        "a": obj({"b": {"$ref": "#/$defs/b"}}, []), "b": obj({"a": {"$ref": "#/$defs/a"}}, [])}},
        [{}, {"b": {"a": {}}}], [{"b": 1}, {"a": {}}]),
    Case("a menu", obj({"label": SHORT, "items": array({"$ref": "#"}, maxItems=2)}, ["label"]),
         [{"label": "a", "items": [{"label": "b"}]}], [{"items": []}]),
    Case("folders and files", {"$ref": "#/$defs/entry", "$defs": {"entry": {"oneOf": [
        kind("file", bytes=INTEGER),
        kind("folder", entries=array({"$ref": "#/$defs/entry"}))]}}},
        [{"kind": "folder", "entries": [{"kind": "file", "bytes": 1}]}],
        [{"kind": "file", "entries": []}]),
    Case("a condition", {"$ref": "#/$defs/c", "$defs": {"c": {"anyOf": [
        obj({"field": SHORT, "is": SHORT}),
        obj({"and": array({"$ref": "#/$defs/c"}, minItems=2)}),
        obj({"negated": {"$ref": "#/$defs/c"}})]}}},
        [{"negated": {"field": "a", "is": "b"}}], [{"and": [{"field": "a", "is": "b"}]}, {}]),
    Case("additional of its own kind", obj({}, [], {"$ref": "#"}), [{}, {"a": {"b": {}}}],
         [{"a": 1}]),
]  # fmt: skip

CASES = [
    *grouped("any of", ANY_OF),
    *grouped("one of", ONE_OF),
    *grouped("all of", ALL_OF),
    *grouped("references", REFS),
    *grouped("recursive", RECURSIVE),
]
