"""Objects: nested, with optional, additional and patterned properties, and with odd keys."""

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


def nested(depth: int) -> Schema:
    """An object in an object, so many deep."""
    return INTEGER if depth == 0 else obj({"inner": nested(depth - 1)})


def nested_value(depth: int) -> Any:
    return 1 if depth == 0 else {"inner": nested_value(depth - 1)}


AB = {"a": INTEGER, "b": SHORT}

NESTED = [
    Case("of anything", {"type": "object"}, [{}, {"a": 1, "b": [None]}], [[], "x", None]),
    Case("one property", obj({"a": INTEGER}), [{"a": 1}], [{}, {"a": "x"}, {"a": 1, "b": 2}]),
    Case("two properties", obj(AB), [{"a": 1, "b": "x"}], [{"a": 1}, {"b": "x"}]),
    Case("empty", obj({}), [{}], [{"a": 1}, []]),
    *(
        Case(f"{depth} deep", nested(depth), [nested_value(depth)], [nested_value(depth - 1)])
        for depth in (2, 3, 5, 8, 12, 20, 30)
    ),
    Case("an object beside an array", obj({"a": obj(AB), "l": array(INTEGER)}),
         [{"a": {"a": 1, "b": ""}, "l": []}], [{"a": {}, "l": []}]),
    Case("arrays of objects of arrays", obj({"rows": array(obj({"cells": array(NUMBER)}))}),
         [{"rows": [{"cells": [1, 2.5]}]}], [{"rows": [{"cells": ["x"]}]}, {"rows": [{}]}]),
    Case("ten properties", obj({f"p{n}": BOOLEAN for n in range(10)}),
         [{f"p{n}": True for n in range(10)}], [{f"p{n}": True for n in range(9)}]),
    Case("a property of each type",
         obj({"s": SHORT, "i": INTEGER, "n": NUMBER, "b": BOOLEAN, "z": NULL, "l": array(INTEGER)}),
         [{"s": "", "i": 1, "n": 1.5, "b": True, "z": None, "l": [1]}], [{"s": ""}]),
    Case("properties without a type", {"properties": {"a": INTEGER}}, [{"a": 1}, 5], [{"a": "x"}]),
    Case("required without a type", {"required": ["a"]}, [{"a": 1}, 5, []], [{}, {"b": 1}]),
    Case("required, not described", {"type": "object", "required": ["x"]}, [{"x": 1}], [{}]),
]  # fmt: skip

OPTIONAL = [
    Case("one", obj({"a": INTEGER}, []), [{}, {"a": 1}], [{"a": "x"}, {"b": 1}]),
    Case("the second", obj(AB, ["a"]), [{"a": 1}, {"a": 1, "b": "x"}], [{"b": "x"}, {}]),
    Case("the first", obj(AB, ["b"]), [{"b": "x"}, {"a": 1, "b": "x"}], [{"a": 1}]),
    Case("all of five", obj(dict.fromkeys("abcde", INTEGER), []), [{}, {"c": 1}], [{"f": 1}]),
    Case("all of 30", obj({f"p{n}": INTEGER for n in range(30)}, []), [{}, {"p29": 1}], [{"q": 1}]),
    Case("the middle", obj({"a": INTEGER, "b": INTEGER, "c": INTEGER}, ["a", "c"]),
         [{"a": 1, "c": 1}, {"a": 1, "b": 2, "c": 3}], [{"a": 1, "b": 2}]),
    Case("or null", obj({"a": {"type": ["string", "null"]}}, []), [{}, {"a": None}], [{"a": 1}]),
    Case("an object", obj({"a": obj(AB)}, []), [{}, {"a": {"a": 1, "b": ""}}], [{"a": {}}]),
    Case("at least one property", {**obj(AB, []), "minProperties": 1}, [{"a": 1}], [{}]),
    Case("at most one property", {"type": "object", "maxProperties": 1}, [{}, {"a": 1}],
         [{"a": 1, "b": 2}]),
    Case("may not be there", obj({"a": INTEGER, "b": False}, ["a"]), [{"a": 1}],
         [{"a": 1, "b": 2}]),
]  # fmt: skip

ADDITIONAL = [
    Case("integers", obj({}, [], INTEGER), [{}, {"x": 1, "y": 2}], [{"x": "1"}]),
    Case("texts", obj({}, [], STRING), [{"x": ""}], [{"x": 1}]),
    Case("anything", obj({"a": INTEGER}, ["a"], True), [{"a": 1, "z": [None]}], [{"z": 1}]),
    Case("not said", obj({"a": INTEGER}, ["a"], None), [{"a": 1}, {"a": 1, "z": 2}], [{}]),
    Case("nothing", obj({"a": INTEGER}, ["a"], False), [{"a": 1}], [{"a": 1, "z": 2}]),
    Case("of another type", obj({"a": INTEGER}, ["a"], BOOLEAN), [{"a": 1, "z": True}],
         [{"a": 1, "z": 2}, {"a": True}]),
    Case("objects", obj({}, [], obj(AB)), [{"x": {"a": 1, "b": ""}}], [{"x": {}}]),
    Case("arrays", obj({}, [], array(INTEGER)), [{"x": [1]}], [{"x": 1}]),
    Case("a key that begins another", obj({"ab": INTEGER}, ["ab"], SHORT),
         [{"ab": 1, "a": "x"}, {"ab": 1, "abc": "x"}], [{"ab": "x"}]),
    Case("one or the other", obj({}, [], {"type": ["integer", "null"]}), [{"x": None}],
         [{"x": "y"}]),
    Case("in themselves", obj({}, [], obj({}, [], INTEGER)), [{"x": {"y": 1}}], [{"x": 1}]),
]  # fmt: skip

PATTERNED = [
    Case("beginning with x", {
        "type": "object", "patternProperties": {"^x-": STRING}, "additionalProperties": False},
        [{}, {"x-a": "b"}], [{"a": "b"}, {"x-a": 1}]),
    Case("digits", {
        "type": "object", "patternProperties": {"^[0-9]+$": INTEGER},
        "additionalProperties": False}, [{"12": 1}], [{"a": 1}, {"12": "x"}]),
    Case("beside properties", {
        "type": "object", "properties": {"name": STRING}, "required": ["name"],
        "patternProperties": {"^n[0-9]$": INTEGER}, "additionalProperties": False},
        [{"name": "a", "n1": 1}], [{"name": "a", "n1": "x"}, {"n1": 1}]),
    Case("two that are apart", {
        "type": "object", "patternProperties": {"^i_": INTEGER, "^s_": STRING},
        "additionalProperties": False}, [{"i_a": 1, "s_b": "x"}], [{"i_a": "x"}, {"q": 1}]),
    Case("and the rest", {
        "type": "object", "patternProperties": {"^i_": INTEGER}, "additionalProperties": STRING},
        [{"i_a": 1, "q": "x"}], [{"i_a": "x"}, {"q": 1}]),
    Case("language codes", {
        "type": "object", "patternProperties": {"^[a-z]{2}$": SHORT},
        "additionalProperties": False, "minProperties": 1}, [{"pt": "olá"}], [{}, {"por": "x"}]),
]  # fmt: skip


def keyed(name: str, *keys: str) -> Case:
    """An object with just these keys."""
    value = dict.fromkeys(keys, 1)
    return Case(
        name, obj(dict.fromkeys(keys, INTEGER)), [value], [{}, dict.fromkeys(keys, "x")]
    )  # fmt: skip


KEYS = [
    keyed("empty", ""),
    keyed("a quote", 'say "hi"'),
    keyed("a backslash", "C:\\temp", "\\"),
    keyed("a line end", "a\nb", "\t"),
    keyed("emoji", "👍", "👨‍👩‍👧"),
    keyed("accents", "época", "Straße"),
    keyed("Chinese", "名前", "年齢"),
    keyed("Arabic", "اسم"),
    keyed("spaces", " ", "first name", " x "),
    keyed("dollar", "$ref", "$id"),
    keyed("words of schemas", "type", "properties", "required", "enum", "not"),
    keyed("slashes", "a/b", "~", "a~1b", "%25"),
    keyed("regex characters", ".*", "^a$", "(x|y)", "[z]"),
    keyed("digits", "0", "01", "-1"),
    keyed("one begins another", "a", "ab", "abc"),
    keyed("case only", "name", "Name", "NAME"),
    keyed("a thousand characters", "k" * 1000),
    keyed("control characters", "\x00", "\x1f"),
    keyed("composed and not", "é", "e\u0301"),
    keyed("names of Python", "__class__", "None", "self"),
    keyed("braces", "{", "}", "{{x}}"),
]

CASES = [
    *grouped("objects", NESTED),
    *grouped("optional", OPTIONAL),
    *grouped("additional", ADDITIONAL),
    *grouped("patterned", PATTERNED),
    *grouped("keys", KEYS),
]
