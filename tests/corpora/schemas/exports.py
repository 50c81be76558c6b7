"""Schemas as libraries export them (Pydantic, dataclasses, TypedDict, msgspec), and large ones."""

from __future__ import annotations

from typing import Any

from tests.corpora.schemas.case import BOOLEAN, INTEGER, SHORT, Case, Schema, array, grouped, obj


def titled(title: str, **words: Any) -> Schema:
    return {"title": title, **words}


def model(title: str, properties: Schema, required: list[str], **more: Any) -> Schema:
    """As Pydantic writes a model."""
    made = {"properties": properties, "title": title, "type": "object", **more}
    return {**made, "required": required} if required else made


def maybe(title: str, **words: Any) -> Schema:
    """An optional field with None for its default, as Pydantic writes it."""
    return titled(title, anyOf=[words, {"type": "null"}], default=None)


USER = model(
    "User",
    {
        "id": titled("Id", type="integer"),
        "name": titled("Name", type="string", default="Ana", maxLength=10),
        "friends": titled("Friends", type="array", items={"type": "integer"}, default=[]),
    },
    ["id"],
)
LEVEL = {"enum": ["low", "high"], "title": "Level", "type": "string"}
PET: dict[str, Any] = {
    "$defs": {
        "Cat": model("Cat", {
            "pet_type": titled("Pet Type", const="cat", type="string"),
            "lives": titled("Lives", type="integer", exclusiveMinimum=0, maximum=9),
        }, ["pet_type", "lives"]),
        "Dog": model("Dog", {
            "pet_type": titled("Pet Type", const="dog", type="string"),
            "barks": titled("Barks", type="boolean"),
        }, ["pet_type", "barks"]),
    },
}  # fmt: skip
PETS = [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}]

PYDANTIC = [
    Case("a model", USER, [{"id": 1}, {"id": 1, "name": "x"}], [{}, {"id": "x"}]),
    Case("extra forbidden", {**USER, "additionalProperties": False}, [{"id": 1}],
         [{"id": 1, "z": 1}]),
    Case("optional fields", model("M", {"a": maybe("A", type="string", maxLength=8),
                                        "b": maybe("B", type="integer")}, []),
         [{}, {"a": None}, {"b": 1}], [{"a": 1}]),
    Case("an enum of its own", model("T", {"level": {"$ref": "#/$defs/Level"}}, ["level"],
                                     **{"$defs": {"Level": LEVEL}}),
         [{"level": "low"}], [{"level": "x"}]),
    Case("a default beside a reference", model(
        "T", {"level": {"$ref": "#/$defs/Level", "default": "low"}}, [],
        **{"$defs": {"Level": LEVEL}}), [{}, {"level": "high"}], [{"level": "x"}]),
    Case("a union by its discriminator", {**PET, **model("Owner", {"pet": {
        "discriminator": {"mapping": {"cat": "#/$defs/Cat", "dog": "#/$defs/Dog"},
                          "propertyName": "pet_type"},
        "oneOf": PETS, "title": "Pet"}}, ["pet"], additionalProperties=False)},
        [{"pet": {"pet_type": "cat", "lives": 9}}],
        [{"pet": {"pet_type": "cat", "barks": True}}, {"pet": {"pet_type": "dog"}}]),
    Case("a plain union", {**PET, **model("Owner", {"pet": {"anyOf": PETS, "title": "Pet"}},
                                          ["pet"])},
         [{"pet": {"pet_type": "dog", "barks": True}}], [{"pet": {"pet_type": "dog"}}]),
    Case("a literal", model("M", {"mode": titled("Mode", enum=["r", "w"], type="string")},
                            ["mode"]), [{"mode": "r"}], [{"mode": "x"}]),
    Case("constrained fields", model("M", {
        "n": titled("N", type="integer", exclusiveMinimum=0, maximum=100),
        "s": titled("S", type="string", minLength=1, maxLength=5, pattern="^[a-z]+$"),
        "l": titled("L", type="array", items={"type": "number"}, minItems=1, maxItems=3),
    }, ["n", "s", "l"]), [{"n": 1, "s": "a", "l": [1]}], [{"n": 0, "s": "a", "l": [1]}]),
    Case("a dictionary of integers", model("M", {"scores": titled(
        "Scores", type="object", additionalProperties={"type": "integer"})}, ["scores"]),
        [{"scores": {"a": 1}}], [{"scores": {"a": "x"}}]),
    Case("a tuple", model("M", {"pair": titled(
        "Pair", type="array", maxItems=2, minItems=2,
        prefixItems=[{"type": "integer"}, {"type": "string", "maxLength": 8}])}, ["pair"]),
        [{"pair": [1, "x"]}], [{"pair": [1]}, {"pair": ["x", 1]}]),
    Case("dates and ids", model("M", {
        "at": titled("At", type="string", format="date-time"),
        "day": titled("Day", type="string", format="date"),
        "id": titled("Id", type="string", format="uuid")}, ["at", "day", "id"]),
        [{"at": "2026-11-28T00:00:00Z", "day": "2026-11-28",
          "id": "123e4567-e89b-12d3-a456-426614174000"}], [{"at": "x"}]),
    Case("a model that holds itself", {"$defs": {"Node": model("Node", {
        "value": titled("Value", type="integer"),
        "children": titled("Children", type="array", items={"$ref": "#/$defs/Node"}, default=[]),
    }, ["value"])}, "$ref": "#/$defs/Node"},
        [{"value": 1, "children": [{"value": 2}]}], [{"children": []}]),
    Case("a set", model("M", {"tags": titled("Tags", type="array", items={"type": "string"},
                                             uniqueItems=True)}, ["tags"]),
         [{"tags": ["a"]}], [{"tags": ["a", "a"]}], refused="uniqueItems"),
    Case("bytes", model("M", {"data": titled("Data", type="string", format="binary")}, ["data"]),
         refused="binary"),
    Case("a password", model("M", {"key": titled("Key", type="string", format="password",
                                                 writeOnly=True)}, ["key"]), refused="password"),
]  # fmt: skip

MSGSPEC = [
    Case("a struct", {"$ref": "#/$defs/P", "$defs": {"P": {
        "title": "P", "type": "object", "properties": {"x": INTEGER, "y": SHORT},
        "required": ["x"]}}}, [{"x": 1}], [{}, {"x": "a"}]),
    Case("a struct that forbids others", {"$ref": "#/$defs/P", "$defs": {"P": {
        "title": "P", "type": "object", "properties": {"x": INTEGER}, "required": ["x"],
        "additionalProperties": False}}}, [{"x": 1}], [{"x": 1, "y": 1}]),
    Case("tagged structs", {"anyOf": [{"$ref": "#/$defs/Get"}, {"$ref": "#/$defs/Put"}],
        "discriminator": {"propertyName": "type",
                          "mapping": {"Get": "#/$defs/Get", "Put": "#/$defs/Put"}},
        "$defs": {
            "Get": {"title": "Get", "type": "object", "required": ["type", "key"],
                    "properties": {"type": {"enum": ["Get"]}, "key": SHORT}},
            "Put": {"title": "Put", "type": "object", "required": ["type", "key", "val"],
                    "properties": {"type": {"enum": ["Put"]}, "key": SHORT, "val": SHORT}}}},
        [{"type": "Get", "key": "a"}], [{"type": "Put", "key": "a"}]),
    Case("a struct as an array", {"$ref": "#/$defs/P", "$defs": {"P": {
        "title": "P", "type": "array", "prefixItems": [INTEGER, SHORT], "minItems": 2}}},
        [[1, "a"]], [[1], ["a", 1]]),
    Case("an annotated integer", {"type": "integer", "minimum": 1, "maximum": 10}, [5], [0]),
    Case("base64", {"type": "string", "contentEncoding": "base64"}, refused="contentEncoding",
         may_be_enforced=True),
]  # fmt: skip

PLAIN = [
    Case("a dataclass", {**obj({"name": SHORT, "n": INTEGER, "ok": BOOLEAN}, ["name", "n"]),
                         "title": "Row"}, [{"name": "a", "n": 1}], [{"name": "a"}]),
    Case("a TypedDict", {**obj({"a": INTEGER, "b": INTEGER}, ["a"]), "title": "D"},
         [{"a": 1}], [{"b": 1}]),
    Case("a list of dataclasses", {"type": "array", "maxItems": 3,
                                   "items": {"$ref": "#/$defs/Row"},
                                   "$defs": {"Row": obj({"a": INTEGER})}},
         [[{"a": 1}]], [[{}]]),
    Case("strict, as function calls want it", obj({
        "location": {"type": "string", "description": "City", "maxLength": 12},
        "unit": {"type": ["string", "null"], "enum": ["c", "f", None]}}),
        [{"location": "x", "unit": None}], [{"location": "x", "unit": "k"}]),
]  # fmt: skip


def wide(n: int, kinds: list[Schema]) -> Schema:
    return obj({f"field_{at}": kinds[at % len(kinds)] for at in range(n)})


def wide_value(n: int, values: list[Any]) -> Any:
    return {f"field_{at}": values[at % len(values)] for at in range(n)}


DIGIT: Schema = {"type": "integer", "minimum": 0, "maximum": 9}
LARGE = [
    *(
        Case(f"{n} booleans", wide(n, [BOOLEAN]), [wide_value(n, [True])], [{}])
        for n in (50, 100, 200, 300)
    ),
    *(
        Case(f"{n} of mixed types", wide(n, [SHORT, DIGIT, BOOLEAN]),
             [wide_value(n, ["", 1, True])], [wide_value(n, [1])])
        for n in (100, 150, 250)
    ),
    Case("150 optional", {**wide(150, [BOOLEAN]), "required": []}, [{}, {"field_149": True}],
         [{"field_150": True}]),
    Case("100 definitions", {**obj({f"f{n}": {"$ref": f"#/$defs/d{n}"} for n in range(100)}),
                             "$defs": {f"d{n}": {"enum": [n, -n - 1]} for n in range(100)}},
         [{f"f{n}": n for n in range(100)}], [{}]),
    Case("ten objects of ten", obj({f"g{n}": wide(10, [DIGIT]) for n in range(10)}),
         [{f"g{n}": wide_value(10, [1]) for n in range(10)}], [{}]),
    Case("100 alternatives", {"anyOf": [obj({"k": {"const": f"k{n}"}}) for n in range(100)]},
         [{"k": "k99"}], [{"k": "k100"}]),
    Case("an array of wide rows", array(wide(40, [DIGIT]), minItems=1, maxItems=2),
         [[wide_value(40, [1])]], [[{}]]),
    Case("long names", obj({f"{'name_' * 20}{n}": BOOLEAN for n in range(30)}),
         [{f"{'name_' * 20}{n}": True for n in range(30)}], [{}]),
]  # fmt: skip

CASES = [
    *grouped("Pydantic", PYDANTIC),
    *grouped("msgspec", MSGSPEC),
    *grouped("plain types", PLAIN),
    *grouped("large", LARGE),
]
