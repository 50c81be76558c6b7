"""Scalars, bounds and multiples."""

from __future__ import annotations

from typing import Any

from tests.corpora.schemas.case import BOOLEAN, INTEGER, NULL, NUMBER, STRING, Case, Schema, grouped


def integer(**limits: Any) -> Schema:
    return {"type": "integer", **limits}


def number(**limits: Any) -> Schema:
    return {"type": "number", **limits}


SCALARS = [
    Case("string", STRING, ["", "é", 'a"b', "a\\b\n"], [1, None, [], {}]),
    Case("integer", INTEGER, [0, -1, 12345678901234567890], [1.5, "1", True]),
    Case("number", NUMBER, [0, -1.5, 1e10], ["1", None, False]),
    Case("boolean", BOOLEAN, [True, False], [0, "true", None]),
    Case("null", NULL, [None], [0, "null", False]),
    Case("integer or null", {"type": ["integer", "null"]}, [3, None], ["3", 1.5]),
    Case("string or number", {"type": ["string", "number"]}, ["x", 1.5], [None, True]),
    Case("string, null or boolean", {"type": ["string", "null", "boolean"]}, ["", None], [1]),
    Case("one type in a list", {"type": ["boolean"]}, [True], [1]),
    Case("number or integer", {"type": ["number", "integer"]}, [1, 1.5], ["1"]),
    Case("with a title", {"type": "string", "title": "Name", "description": "Of it"}, ["x"], [1]),
    Case("with a default", {"type": "integer", "default": 5}, [7], ["7"]),
    Case("with examples", {"type": "string", "examples": ["a", "b"]}, ["c"], [1]),
    Case("read only", {"type": "string", "readOnly": True, "deprecated": True}, ["c"], [1]),
    Case("with a comment", {"$comment": "hm", "type": "boolean"}, [False], ["no"]),
    Case(
        "of a named draft",
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "integer"},
        [1],
        ["1"],
    ),
    Case("with an id", {"$id": "https://example.com/it", "type": "integer"}, [1], ["1"]),
    Case("an annotation of its own", {"type": "integer", "x-order": 3}, [1], ["1"]),
]

BOUNDS = [
    Case("at least 0", integer(minimum=0), [0, 7, 10**6], [-1, -7]),
    Case("at most 9", integer(maximum=9), [9, 0, -400], [10, 99]),
    Case("0 to 9", integer(minimum=0, maximum=9), [0, 9], [-1, 10]),
    Case("1 to 1", integer(minimum=1, maximum=1), [1], [0, 2]),
    Case("-5 to 5", integer(minimum=-5, maximum=5), [-5, 0, 5], [-6, 6]),
    Case("95 to 105", integer(minimum=95, maximum=105), [95, 99, 100, 105], [94, 106, 1000]),
    Case("-200 to -17", integer(minimum=-200, maximum=-17), [-200, -17, -99], [-201, -16, 0]),
    Case("0 to 65535", integer(minimum=0, maximum=65535), [0, 443, 65535], [65536, -1]),
    Case("1900 to 2100", integer(minimum=1900, maximum=2100), [1900, 1999, 2100], [1899, 2101]),
    Case("above 0", integer(exclusiveMinimum=0), [1, 100], [0, -1]),
    Case("below 0", integer(exclusiveMaximum=0), [-1, -100], [0, 1]),
    Case("between 1 and 4", integer(exclusiveMinimum=1, exclusiveMaximum=4), [2, 3], [1, 4]),
    Case("both kinds", integer(minimum=3, exclusiveMinimum=3, maximum=9), [4, 9], [3, 10]),
    Case("a bound that is a fraction", integer(minimum=1.5, maximum=3.5), [2, 3], [1, 4]),
    Case(
        "64 bits",
        integer(minimum=-(2**63), maximum=2**63 - 1),
        [0, -(2**62)],
        ["0", 2.5],
        "minimum|maximum",
        may_be_enforced=True,
    ),
    Case("32 bits", integer(minimum=-(2**31), maximum=2**31 - 1), [-(2**31)], [2**31, 10**12]),
    Case("0 to 1", number(minimum=0, maximum=1), [0, 0.5, 1], [-0.1, 1.1, 2]),
    Case(
        "over 0, under 1",
        number(exclusiveMinimum=0, exclusiveMaximum=1),
        [0.01, 0.9],
        [0, 1],
        never=["0.99999999999999999999999"],
    ),
    Case("-90 to 90", number(minimum=-90, maximum=90), [-90, 12.5, 90], [-90.1, 90.5, 180]),
    Case("0.5 to 0.75", number(minimum=0.5, maximum=0.75), [0.5, 0.625, 0.75], [0.49, 0.76]),
    Case("at least -1.25", number(minimum=-1.25), [-1.25, 0, 9.5], [-1.26, -2]),
    Case("at most 99.99", number(maximum=99.99), [99.99, -4], [100, 99.995]),
    Case("above 10", number(exclusiveMinimum=10), [10.1, 11], [10, 9.5]),
    Case("below -0.5", number(exclusiveMaximum=-0.5), [-0.6, -7], [-0.5, 0]),
    Case("36 to 42.5", number(minimum=36, maximum=42.5), [36, 37.2, 42.5], [35.9, 42.6]),
    Case("an exponent in the bound", number(minimum=0, maximum=1e3), [0, 999.5, 1000], [1001]),
    Case("bounds without a type", {"minimum": 3, "maximum": 5}, [4, "x", None], [2, 6]),
]

MULTIPLES = [
    Case("of 5", integer(multipleOf=5), [0, 5, -10, 100], [1, 7, 101]),
    Case("of 2", integer(multipleOf=2), [0, 2, -4], [1, 3]),
    Case("of 7, 0 to 50", integer(multipleOf=7, minimum=0, maximum=50), [0, 49], [50, 8, 56]),
    Case("of 15, 0 to 60", integer(multipleOf=15, minimum=0, maximum=60), [0, 15, 60], [5, 75]),
    Case("of 1", integer(multipleOf=1), [0, 3], [1.5]),
    Case("of 100", integer(multipleOf=100), [0, 100, 2500], [10, 150]),
    Case("a number, of 3", number(multipleOf=3), [0, 3, 9], [1, 4]),
    Case("a number, of 0.5", number(multipleOf=0.5), [0, 0.5, 1.5], [0.25, 1.1]),
    Case("a number, of 0.25", number(multipleOf=0.25, minimum=0, maximum=2), [0.25, 2], [0.3, 3]),
    Case("of 12, below 100", integer(multipleOf=12, exclusiveMaximum=100), [12, 96], [108, 13]),
    Case(
        "both of 4 and of 6", {"allOf": [integer(multipleOf=4), integer(multipleOf=6)]}, [12], [8]
    ),
]

CASES = [
    *grouped("scalars", SCALARS),
    *grouped("bounds", BOUNDS),
    *grouped("multiples", MULTIPLES),
]
