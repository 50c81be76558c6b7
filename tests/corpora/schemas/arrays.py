"""Arrays and tuples."""

from __future__ import annotations

from tests.corpora.schemas.case import (
    BOOLEAN,
    INTEGER,
    NUMBER,
    SHORT,
    STRING,
    Case,
    array,
    grouped,
    obj,
)

PAIR = {"prefixItems": [SHORT, INTEGER]}

ARRAYS = [
    Case("of anything", {"type": "array"}, [[], [1, "a", None, {}]], [{}, "[]", None]),
    Case("of integers", array(INTEGER), [[], [1, 2]], [["1"], [1.5], 1]),
    Case("of texts", array(STRING), [["a"]], [[1], "a"]),
    Case("of booleans", array(BOOLEAN, maxItems=4), [[True, False]], [[0]]),
    Case("at least 1", array(INTEGER, minItems=1), [[1], [1, 2]], [[]]),
    Case("at most 3", array(INTEGER, maxItems=3), [[], [1, 2, 3]], [[1, 2, 3, 4]]),
    Case("2 to 3", array(INTEGER, minItems=2, maxItems=3), [[1, 2]], [[1], [1, 2, 3, 4]]),
    Case("exactly 4", array(BOOLEAN, minItems=4, maxItems=4), [[True] * 4], [[True] * 3]),
    Case("empty", {"type": "array", "maxItems": 0}, [[]], [[1]]),
    Case("of nothing", {"type": "array", "items": False}, [[]], [[1], [None]]),
    Case("of anything, said so", {"type": "array", "items": True, "maxItems": 2}, [[1]], [{}]),
    Case("at most 50", array(INTEGER, maxItems=50), [[1] * 50], [[1] * 51]),
    Case("exactly 100 bits", array({"enum": [0, 1]}, minItems=100, maxItems=100), [[0, 1] * 50]),
    Case("of arrays", array(array(INTEGER, maxItems=2), maxItems=2), [[[1], []]], [[1], [["a"]]]),
    Case("a 3 by 3 matrix", array(array(NUMBER, minItems=3, maxItems=3), minItems=3, maxItems=3),
         [[[1, 0, 0], [0, 1, 0], [0, 0, 1.5]]], [[[1, 0], [0, 1]]]),
    Case("four deep", array(array(array(array(INTEGER)))), [[[[[1]]]], []], [[1], [[[1]]]]),
    Case("of objects", array(obj({"a": INTEGER}), maxItems=3), [[{"a": 1}]], [[{}], [{"b": 1}]]),
    Case("of one of two kinds", array({"type": ["integer", "null"]}), [[1, None]], [["a"]]),
    Case("items without a type", {"items": INTEGER}, [[1], "x", 5], [["x"]]),
    Case("a length without a type", {"maxItems": 1}, [[1], "long", {}], [[1, 2]]),
]  # fmt: skip

TUPLES = [
    Case("a pair", {"type": "array", **PAIR, "items": False, "minItems": 2},
         [["a", 1]], [["a"], [1, "a"], ["a", 1, 2]]),
    Case("a pair and more", {"type": "array", **PAIR, "minItems": 2}, [["a", 1, None]], [[1, 2]]),
    Case("a pair, then texts", {"type": "array", **PAIR, "items": SHORT, "minItems": 2},
         [["a", 1], ["a", 1, "b"]], [["a", 1, 2]]),
    Case("a pair, or less", {"type": "array", **PAIR, "items": False},
         [[], ["a"], ["a", 1]], [["a", 1, 1], [1]]),
    Case("a pair, at most 3", {"type": "array", **PAIR, "items": BOOLEAN, "maxItems": 3},
         [["a", 1, True]], [["a", 1, True, True]]),
    Case("red, green and blue", {
        "type": "array",
        "prefixItems": [{"type": "integer", "minimum": 0, "maximum": 255}] * 3,
        "items": False, "minItems": 3}, [[0, 128, 255]], [[0, 0], [0, 0, 256]]),
    Case("of constants", {
        "type": "array", "prefixItems": [{"const": "add"}, INTEGER, INTEGER],
        "items": False, "minItems": 3}, [["add", 1, 2]], [["sub", 1, 2], ["add", 1]]),
    Case("in a tuple", {
        "type": "array", "minItems": 2, "items": False,
        "prefixItems": [{"type": "array", **PAIR, "minItems": 2, "items": False}, BOOLEAN]},
        [[["a", 1], True]], [[["a"], True], [["a", 1]]]),
    Case("its first is anything", {
        "type": "array", "prefixItems": [True, INTEGER], "items": False, "minItems": 2},
        [[None, 1]], [[None, "x"]]),
    Case("ten places", {
        "type": "array", "prefixItems": [{"const": n} for n in range(10)],
        "items": False, "minItems": 10}, [list(range(10))], [list(range(9))]),
    Case("a length below its places", {"type": "array", **PAIR, "maxItems": 1},
         [[], ["a"]], [["a", 1], [1]]),
    Case("its third may not be", {
        "type": "array", "prefixItems": [INTEGER, INTEGER, False]}, [[1, 2], []], [[1, 2, 3]]),
]  # fmt: skip

CASES = [*grouped("arrays", ARRAYS), *grouped("tuples", TUPLES)]
