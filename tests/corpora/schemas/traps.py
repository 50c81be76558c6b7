"""What is easily taken for enforced, and is not: each came out of a grammar once, and was invalid.

Found by drawing answers at random from what llguidance 1.9.1 makes of a schema.
"""

from __future__ import annotations

from typing import Any

from tests.corpora.schemas.case import INTEGER, STRING, Case, Schema, array, grouped, obj


def unsure(name: str, schema: Schema, word: str, *never: str, valid: tuple[Any, ...] = ()) -> Case:
    """To be refused, or to be enforced to the letter."""
    return Case(name, schema, valid, refused=word, may_be_enforced=True, never=never)


def pattern(name: str, regex: str, *never: str) -> Case:
    return unsure(name, {"type": "string", "pattern": regex}, "pattern", *never)


LENIENT = {"lenient": True}
GUIDED = [
    Case("lenient", {"type": "integer", "not": {"const": 3}, "x-guidance": LENIENT}, [1], [3],
         "x-guidance|not"),
    Case("oneOf as anyOf", {"oneOf": [{"type": "number"}, INTEGER],
                            "x-guidance": {"coerce_one_of": True}}, [1.5], [1],
         "x-guidance|oneOf"),
    unsure("separators of its own", {**obj({"a": INTEGER}),
                                     "x-guidance": {"key_separator": " = "}}, "x-guidance",
           '{"a" = 1}'),
    unsure("spaces without end", {**obj({"a": INTEGER}),
                                  "x-guidance": {"whitespace_flexible": True}}, "x-guidance"),
    Case("lenient, further in", array({"x-guidance": LENIENT, "not": {}}), [], [], "not"),
]  # fmt: skip

SPELT = [
    Case("a key by its escape", obj({"a": INTEGER}, [], STRING), [{"a": 1, "b": "x"}],
         [{"a": "x"}], never=[r'{"\u0061": "x"}']),
    Case("a key twice, once by its escape", obj({"a": INTEGER}, ["a"], None), [{"a": 1}],
         [{"a": "x"}], never=[r'{"a": 1, "\u0061": "x"}', '{"a": 1, "a": "x"}']),
    Case("a line end as a key", obj({"\n": INTEGER}, [], STRING), [{"\n": 1}], [{"\n": "x"}],
         never=[r'{"\u000a": "x"}', r'{"\u000A": "x"}']),
    Case("a key that no pattern is for", {
        "type": "object", "patternProperties": {"^a": INTEGER}, "additionalProperties": STRING},
        [{"a": 1, "b": "x"}], [{"ab": "x"}], never=[r'{"\u0061b": "x"}']),
    unsure("two of the same are not two", {"type": "object", "minProperties": 2}, "minProperties",
           '{"a": 1, "a": 2}', valid=({"a": 1, "b": 2},)),
    unsure("two of the same kind are not two", {**obj({}, [], INTEGER), "minProperties": 3},
           "minProperties", '{"a": 1, "a": 2, "a": 3}'),
    unsure("counted beside optional ones", {**obj({"a": INTEGER, "b": INTEGER}, []),
                                            "minProperties": 2}, "minProperties", '{"a": 1}'),
    unsure("patterns of keys that overlap", {
        "type": "object", "patternProperties": {
            "^a": {"type": "integer", "minimum": 2}, "b$": {"type": "integer", "maximum": 5}}},
        "patternProperties", '{"ab": 1}', '{"ab": 9}'),
    Case("a property under a pattern too", {
        **obj({"a": {"type": "integer", "minimum": 2}}, ["a"], None),
        "patternProperties": {"^a": {"type": "integer", "maximum": 5}}}, [{"a": 3}],
        [{"a": 1}, {"a": 9}]),
]  # fmt: skip

PATTERNS = [
    pattern("no quote", '^x[^"]x$', r'"x\"x"'),
    pattern("no backslash", r"^x[^\\]x$", r'"x\\x"'),
    pattern("neither", r'^x[^"\\]x$', r'"x\"x"', r'"x\\x"'),
    pattern("no quote by its number", r"^x[^\x22]x$", r'"x\"x"'),
    pattern("no quote, no letter", '^x[^"a-z]x$', r'"x\"x"'),
    pattern("quoted", '^"[^"]*"$', r'"\"x\"y\""'),
    pattern("a tag's inside", '^<[^>"]*>$', r'"<a\"b>"'),
    pattern("no word character", r"^\W$", '"é"'),
    pattern("no digit", r"^\D$", '"٣"'),
    pattern("none of the word characters", r"^[^\w]$", '"é"'),
    pattern("none of the digits", r"^[^\d]$", '"٣"'),
    pattern("no space", r"^\S$", r'"\u001f"'),
    pattern("a class of POSIX", "^[[:alpha:]]$", '"a"'),
    pattern("an intersection of Rust", "^[a&&b]$"),
    pattern("a symmetric difference of Rust", "^[a~~b]$"),
    pattern("a word's end", r"^a\b", '"ab"'),
    unsure("a key without a quote", {
        "type": "object", "patternProperties": {'^[^"]$': INTEGER},
        "additionalProperties": STRING}, "pattern", r'{"\"": 1}'),
]  # fmt: skip

NUMBERS = [
    unsure("a constant beyond 53 bits", {"const": 2**53 + 1}, "const", str(2**53)),
    unsure("a constant of 64 bits", {"const": 2**63}, "const", "9223372036854776000"),
    unsure("an enum beyond 53 bits", {"enum": [2**53 + 1, 2**60 + 1]}, "enum", str(2**53)),
    unsure("bounds beyond 53 bits", {"type": "integer", "minimum": 2**53 + 1,
                                     "maximum": 2**53 + 3}, "minimum", str(2**53)),
    unsure("at least a trillion millions", {"type": "integer", "minimum": 10**18}, "minimum",
           str(10**18 - 1)),
    Case("of a cent", {"type": "number", "multipleOf": 0.01, "minimum": 0, "maximum": 100},
         [19.99, 0.29], [0.295]),
    Case("of a tenth", {"type": "number", "multipleOf": 0.1, "minimum": 0, "maximum": 5},
         [0.3, 0.7], [0.35]),
]  # fmt: skip

DRAFT_7 = "http://json-schema.org/draft-07/schema#"
DRAFT_4 = "http://json-schema.org/draft-04/schema#"
WORDS = [
    unsure("a misspelt bound", {"type": "integer", "minimun": 5}, "minimun"),
    unsure("a word in the wrong case", {"type": "string", "maxlength": 5}, "maxlength"),
    unsure("a draft's own word", {"type": "integer", "divisibleBy": 2}, "divisibleBy"),
    unsure("nullable, as OpenAPI has it", {"type": "string", "nullable": True}, "nullable"),
    Case("a format in the wrong case", {"type": "string", "format": "Date"}, [], [], "Date"),
    unsure("a tuple of draft 7", {"$schema": DRAFT_7, "type": "array", "items": [INTEGER, STRING],
                                  "additionalItems": False, "minItems": 2}, "$schema|items",
           '["x"]', '[1, "x", 2]', valid=([1, "x"],)),
    unsure("words beside a reference in draft 7", {
        "$schema": DRAFT_7, "$ref": "#/definitions/a", "maxLength": 2,
        "definitions": {"a": STRING}}, "$schema|$ref"),
    unsure("exclusive in draft 4", {"$schema": DRAFT_4, "type": "integer", "minimum": 3,
                                    "exclusiveMinimum": True}, "$schema|exclusiveMinimum", "3"),
]  # fmt: skip

CASES = grouped("traps", [*GUIDED, *SPELT, *PATTERNS, *NUMBERS, *WORDS])
