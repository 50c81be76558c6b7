"""Python types as schemas, and answers read back as those types."""

from __future__ import annotations

import enum
import pickle
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypedDict

import msgspec
import pytest
from pydantic import BaseModel, Field

from wiz_kernel_ext.engine.constraints.json_answer import checker_of
from wiz_kernel_ext.errors import AnswerIncomplete, AnswerInvalid, BadRequest
from wiz_kernel_ext.protocol.answer import Answer
from wiz_kernel_ext.protocol.results import AnswerInfo
from wiz_kernel_ext.protocol.shapes import read_json, schema_of, type_of


@dataclass
class Place:
    name: str
    size: int


class Typed(TypedDict):
    name: str
    size: int


class Named(NamedTuple):
    name: str
    size: int


class Struct(msgspec.Struct):
    name: str
    size: int


class Model(BaseModel):
    name: str = Field(pattern="^[A-Z]")
    size: int = Field(ge=0)


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Tree:
    value: int
    children: list[Tree]


@dataclass
class Holder:
    models: list[Model]


NAMED = '{"name": "Rome", "size": 3}'


@pytest.mark.parametrize(
    ("type", "text", "value"),
    [
        (Place, NAMED, Place("Rome", 3)),
        (Typed, NAMED, {"name": "Rome", "size": 3}),
        (Named, '["Rome", 3]', Named("Rome", 3)),
        (Struct, NAMED, Struct("Rome", 3)),
        (Model, NAMED, Model(name="Rome", size=3)),
        (list[Place], f"[{NAMED}]", [Place("Rome", 3)]),
        (list[Model], f"[{NAMED}]", [Model(name="Rome", size=3)]),
        (Holder, f'{{"models": [{NAMED}]}}', Holder([Model(name="Rome", size=3)])),
        (Colour, '"red"', Colour.RED),
        (Literal["yes", "no"], '"yes"', "yes"),
        (int | None, "null", None),
        (int, "5", 5),
        (bool, "true", True),
        (dict[str, float], '{"a": 1.5}', {"a": 1.5}),
        (Tree, '{"value": 1, "children": []}', Tree(1, [])),
    ],
)
def test_a_type_is_a_schema_and_its_answers_are_of_it(type: Any, text: str, value: Any) -> None:
    checker_of(schema_of(type))(text)
    made = read_json(text, type_of(type))
    assert made == value
    assert made.__class__ is value.__class__


def test_a_plain_schema_stays_and_gives_plain_values() -> None:
    schema = {"type": "object"}
    assert schema_of(schema) is schema
    assert type_of(schema) is None
    assert read_json(NAMED, None) == {"name": "Rome", "size": 3}


@pytest.mark.parametrize("shape", [print, 5, object(), lambda: None, {1, 2}])
def test_what_is_no_type_is_refused(shape: Any) -> None:
    with pytest.raises(BadRequest, match="no JSON schema"):
        schema_of(shape)


def answer(text: str, type: Any = None, **fields: Any) -> Answer:
    return Answer(AnswerInfo(text=text, **{"shape": "json", **fields}), type)


def test_an_answer_gives_its_value_in_the_type_that_was_asked_for() -> None:
    assert answer(NAMED, Place).value == Place("Rome", 3)
    assert answer(NAMED).value == {"name": "Rome", "size": 3}
    assert answer("yes", shape="text").value == "yes"
    assert answer("free", shape="free").value == "free"


def test_an_answer_that_was_cut_has_no_value_and_says_so() -> None:
    with pytest.raises(AnswerIncomplete) as caught:
        _ = answer('{"name', incomplete=True, finish_reason="length").value
    assert caught.value.details["text"] == '{"name'
    assert "max_tokens" in caught.value.hint


def test_a_validator_of_the_types_own_has_its_say() -> None:
    with pytest.raises(AnswerInvalid, match="Model"):
        _ = answer('{"name": "rome", "size": 3}', Model).value


def test_an_answer_is_pickled_with_its_type() -> None:
    copy = pickle.loads(pickle.dumps(answer(NAMED, Place)))
    assert copy == NAMED
    assert copy.value == Place("Rome", 3)
