"""What cannot be enforced, cannot be satisfied, or would take too long: each refused by name."""

from __future__ import annotations

from tests.corpora.schemas.case import (
    BOOLEAN,
    INTEGER,
    SHORT,
    STRING,
    Case,
    Schema,
    array,
    grouped,
    obj,
)

AB = {"a": INTEGER, "b": INTEGER}
LIST: Schema = {"type": "array", "items": INTEGER}

KEYWORDS = [
    Case("not", {"not": STRING}, [1], ["x"], "not"),
    Case("not beside a type", {"type": "integer", "not": {"const": 3}}, [1], [3], "not"),
    Case("not in a property", obj({"a": {"not": {"enum": [1]}}}), [], [], "not"),
    Case("not in an array", array({"not": {"type": "null"}}), [], [], "not"),
    Case("unique items", {**LIST, "uniqueItems": True}, [[1, 2]], [[1, 1]], "uniqueItems"),
    Case("unique items in a property", obj({"l": {**LIST, "uniqueItems": True}}), [], [],
         "uniqueItems"),
    Case("if and then", {"if": STRING, "then": {"minLength": 2}}, [1], ["a"], "if"),
    Case("if, then and else", {**obj(AB, []), "if": {"required": ["a"]},
                               "then": {"required": ["b"]}, "else": {"maxProperties": 0}},
         [], [], "if"),
    Case("contains", {**LIST, "contains": {"const": 1}}, [[1]], [[2]], "contains"),
    Case("at least two of a kind", {**LIST, "contains": {"const": 1}, "minContains": 2}, [], [],
         "contains"),
    Case("dependent required", {**obj(AB, []), "dependentRequired": {"a": ["b"]}}, [{}],
         [{"a": 1}], "dependentRequired"),
    Case("dependent schemas", {**obj(AB, []), "dependentSchemas": {"a": {"required": ["b"]}}},
         [{}], [{"a": 1}], "dependentSchemas"),
    Case("dependencies of older drafts", {**obj(AB, []), "dependencies": {"a": ["b"]}}, [], [],
         "dependencies"),
    Case("property names", {"type": "object", "propertyNames": {"pattern": "^a"}}, [{"a": 1}],
         [{"b": 1}], "propertyNames"),
    Case("unevaluated properties", {"allOf": [obj({"a": INTEGER}, [], None)],
                                    "unevaluatedProperties": False}, [{"a": 1}], [{"b": 1}],
         "unevaluatedProperties"),
    Case("unevaluated items", {"type": "array", "prefixItems": [INTEGER],
                               "unevaluatedItems": False}, [[1]], [[1, 2]], "unevaluatedItems"),
    Case("a dynamic reference", {"$dynamicRef": "#node", "$defs": {
        "n": {"$dynamicAnchor": "node", "type": "integer"}}}, [], [], "$dynamicRef"),
    Case("a recursive reference of 2019", {"$recursiveRef": "#"}, [], [], "$recursiveRef"),
    Case("content encoding", {"type": "string", "contentEncoding": "base64"}, [], [],
         "contentEncoding", may_be_enforced=True),
    Case("content of a media type", {"type": "string", "contentMediaType": "text/html"}, [], [],
         "contentMediaType", may_be_enforced=True),
    Case("additional items of older drafts", {"type": "array", "items": [INTEGER],
                                              "additionalItems": False}, [], [], "items"),
    Case("oneOf of what overlaps", {"oneOf": [STRING, {"type": "string", "maxLength": 3}]},
         ["long one"], ["abc"], "oneOf"),
    Case("oneOf of numbers and integers", {"oneOf": [{"type": "number"}, INTEGER]}, [1.5], [1],
         "oneOf"),
    Case("oneOf of open objects", {"oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
         [{"a": 1}], [{"a": 1, "b": 1}], "oneOf"),
    Case("oneOf of patterns", {"type": "string", "oneOf": [{"pattern": "a"}, {"pattern": "b"}]},
         ["a", "b"], ["ab"], "oneOf"),
    Case("oneOf of ranges that overlap", {"oneOf": [{"type": "integer", "minimum": 0},
                                                    {"type": "integer", "maximum": 0}]},
         [1], [0], "oneOf"),
]  # fmt: skip

FORMATS = [
    Case(f"the format {name}", {"type": "string", "format": name}, [], [], name)
    for name in ("credit-card", "colour", "regex", "json-pointer", "idn-email", "iri", "iban")
]

REFERENCES = [
    Case("to nothing", {"$ref": "#/$defs/nope"}, [], [], "$ref"),
    Case("to nothing, deep in it", obj({"a": array({"$ref": "#/$defs/nope"})}), [], [], "$ref"),
    Case("to another file", {"$ref": "other.json"}, [], [], "$ref"),
    Case("to a page", {"$ref": "https://example.com/schema.json"}, [], [], "$ref"),
    Case("to a text", {"$ref": "#/title", "title": "x"}, [], [], "$ref"),
    Case("to itself", {"$ref": "#"}, [], [], "$ref"),
    Case("in a circle", {"$ref": "#/$defs/a", "$defs": {
        "a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}, [], [], "$ref"),
    Case("without an end", obj({"child": {"$ref": "#"}}), [], [{}], "$ref"),
    Case("a list without an end", {"$ref": "#/$defs/n", "$defs": {
        "n": obj({"v": INTEGER, "next": {"$ref": "#/$defs/n"}})}}, [], [{"v": 1}], "$ref"),
    Case("arrays without an end", array({"$ref": "#"}, minItems=1), [], [[]], "$ref"),
    Case("two without an end", {"$ref": "#/$defs/a", "$defs": {
        "a": obj({"b": {"$ref": "#/$defs/b"}}), "b": obj({"a": {"$ref": "#/$defs/a"}})}}, [], [],
        "$ref"),
    Case("all of itself", {"allOf": [{"$ref": "#"}, INTEGER]}, [], [], "$ref"),
]  # fmt: skip

LOOK_AROUND = [
    Case(name, {"type": "string", "pattern": regex}, [], [], "pattern")
    for name, regex in {
        "look-ahead": "^(?=.*[0-9]).+$",
        "a password's rules": "^(?=.*[a-z])(?=.*[A-Z])(?=.*[0-9]).{8,}$",
        "negative look-ahead": "^(?!admin).*$",
        "look-behind": "(?<=a)b",
        "negative look-behind": "(?<!a)b",
        "a back reference": r"^(a|b)\1$",
        "a named back reference": r"^(?<x>a)\k<x>$",
        "a group that does not close": "^(ab",
        "a set that does not close": "[a-z",
        "nothing to repeat": "*a",
        "a range the wrong way": "[z-a]",
        "counts the wrong way": "a{3,1}",
        "an escape that is none": r"\q",
        "an atomic group": "(?>a+)b",
    }.items()
]

IMPOSSIBLE = [
    Case("minimum over maximum", {"type": "integer", "minimum": 5, "maximum": 1}, [], [3],
         "minimum"),
    Case("nothing between", {"type": "integer", "exclusiveMinimum": 1, "exclusiveMaximum": 2},
         [], [1, 2], "minimum"),
    Case("a number over and under", {"type": "number", "minimum": 1.5, "maximum": 1.25}, [], [1.3],
         "minimum"),
    Case("no multiple in reach", {"type": "integer", "multipleOf": 10, "minimum": 11,
                                  "maximum": 19}, [], [15], "multipleOf"),
    Case("lengths", {"type": "string", "minLength": 5, "maxLength": 2}, [], ["abc"], "minLength"),
    Case("counts", {**LIST, "minItems": 3, "maxItems": 1}, [], [[1, 2]], "minItems"),
    Case("properties counted", {"type": "object", "minProperties": 3, "maxProperties": 1}, [], [{}],
         "minProperties"),
    Case("an empty enum", {"enum": []}, [], [1], "enum"),
    Case("no alternatives", {"anyOf": []}, [], [1], "anyOf"),
    Case("an enum that does not fit its type", {"type": "integer", "enum": ["a"]}, [], ["a", 1],
         "enum"),
    Case("a constant that does not fit", {"type": "string", "const": 5}, [], [5, "5"], "const"),
    Case("required, not allowed", obj({"a": INTEGER}, ["b"]), [], [{"a": 1}], "required"),
    Case("required, false", obj({"a": False}, ["a"]), [], [{}], "required"),
    Case("types apart", {"allOf": [STRING, INTEGER]}, [], ["x", 1], "type|allOf"),
    Case("bounds apart", {"allOf": [{"type": "integer", "maximum": 1}, {"minimum": 2}]}, [], [1],
         "minimum|maximum"),
    Case("items false, one wanted", {"type": "array", "items": False, "minItems": 1}, [], [[], [1]],
         "minItems|items"),
    Case("a tuple too short", {"type": "array", "prefixItems": [INTEGER], "items": False,
                               "minItems": 2}, [], [[1]], "minItems|items"),
    Case("pattern against length", {"type": "string", "pattern": "^abc$", "maxLength": 2}, [],
         ["abc"], "pattern"),
    Case("patterns apart", {"type": "string", "allOf": [{"pattern": "^a+$"}, {"pattern": "^b+$"}]},
         [], ["a"], "pattern"),
    Case("false in all of", {"allOf": [False, INTEGER]}, [], [1], "allOf"),
    Case("no type", {"type": []}, [], [1], "type"),
    Case("constants apart", {"allOf": [{"const": 1}, {"const": 2}]}, [], [1], "const"),
    Case("an item that cannot be", array({"type": "integer", "minimum": 2, "maximum": 1},
                                         minItems=1), [], [[1]], "minimum"),
]  # fmt: skip

MALFORMED = [
    Case("a type that is none", {"type": "strnig"}, [], [], "type"),
    Case("a type that is a number", {"type": 5}, [], [], "type"),
    Case("a bound that is a text", {"type": "integer", "minimum": "3"}, [], [], "minimum"),
    Case("required is a text", {"type": "object", "required": "a"}, [], [], "required"),
    Case("properties are a list", {"type": "object", "properties": ["a"]}, [], [], "properties"),
    Case("an enum that is a text", {"enum": "abc"}, [], [], "enum"),
    Case("items are a number", {"type": "array", "items": 3}, [], [], "items"),
    Case("a negative length", {"type": "string", "maxLength": -1}, [], [], "maxLength"),
    Case("a multiple of 0", {"type": "integer", "multipleOf": 0}, [], [], "multipleOf"),
    Case("a reference that is a number", {"$ref": 7}, [], [], "$ref"),
    Case("a pattern that is a number", {"type": "string", "pattern": 7}, [], [], "pattern"),
    Case("anyOf is no list", {"anyOf": {"type": "string"}}, [], [], "anyOf"),
    Case("a property that is a text", obj({"a": "string"}), [], [], "properties"),
]  # fmt: skip

DEEP_COUNTS = "^(((((a{1,40}){1,40}){1,40}){1,40}){1,40})$"
EXPLOSIVE = [
    Case(
        "a length of a million over patterns",
        {"type": "string", "maxLength": 10**6, "pattern": "^(a{1,500}b{1,500}){1,500}$"},
        [],
        [],
        "pattern|regex|too large",
        may_be_enforced=True,
    ),
    Case(
        "counts in counts",
        {"type": "string", "pattern": DEEP_COUNTS},
        [],
        [],
        "pattern|regex|too large",
        may_be_enforced=True,
    ),
    Case(
        "counts of unicode in counts",
        {"type": "string", "pattern": r"^((\p{L}{0,300}\p{N}{0,300}){0,300})$"},
        [],
        [],
        "pattern|regex|too large",
        may_be_enforced=True,
    ),
    Case(
        "a state for each subset",
        {"type": "string", "pattern": "^[ab]*a[ab]{4000}$"},
        [],
        [],
        "pattern|regex|too large",
        may_be_enforced=True,
    ),
    Case(
        "a hundred thousand values",
        {"enum": [f"v{n}" for n in range(100_000)]},
        [],
        [],
        "enum|too large",
        may_be_enforced=True,
    ),
    Case(
        "a hundred thousand alternatives",
        {"anyOf": [{"const": f"v{n}"} for n in range(100_000)]},
        [],
        [],
        "anyOf|too large",
        may_be_enforced=True,
    ),
    Case(
        "a billion items",
        {"type": "array", "items": BOOLEAN, "minItems": 10**9},
        [],
        [],
        "minItems|too large",
        may_be_enforced=True,
    ),
    Case(
        "a million items in a million",
        array(array(SHORT, maxItems=10**6, minItems=10**6), minItems=10**6, maxItems=10**6),
        [],
        [],
        "minItems|too large",
        may_be_enforced=True,
    ),
    Case(
        "a text of a billion",
        {"type": "string", "minLength": 10**9},
        [],
        [],
        "minLength|too large",
        may_be_enforced=True,
    ),
    Case(
        "alternatives in all of, 2 to the 30th",
        {
            "allOf": [
                {"anyOf": [obj({f"a{n}": INTEGER}, [], None), obj({f"b{n}": INTEGER}, [], None)]}
                for n in range(30)
            ]
        },
        [],
        [],
        "allOf|too large",
        may_be_enforced=True,
    ),
    Case(
        "definitions that double, 2 to the 40th",
        {
            "$ref": "#/$defs/d0",
            "$defs": {
                **{
                    f"d{n}": {
                        "allOf": [{"$ref": f"#/$defs/d{n + 1}"}, {"$ref": f"#/$defs/d{n + 1}"}]
                    }
                    for n in range(40)
                },
                "d40": INTEGER,
            },
        },
        [],
        [],
        "$ref|too large",
        may_be_enforced=True,
        is_checkable=False,
    ),
]

CASES = [
    *grouped("keywords refused", KEYWORDS),
    *grouped("formats refused", FORMATS),
    *grouped("references refused", REFERENCES),
    *grouped("patterns refused", LOOK_AROUND),
    *grouped("impossible", IMPOSSIBLE),
    *grouped("malformed", MALFORMED),
    *grouped("explosive", EXPLOSIVE),
]
