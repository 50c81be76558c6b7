"""Answers are looked at again by a validator that did not write them."""

from __future__ import annotations

from typing import Any

import pytest

from wiz_kernel_ext.engine.constraints.json_answer import MOST_WAYS, checker_of, n_ways
from wiz_kernel_ext.errors import AnswerInvalid, ConstraintRefused

AGED = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}


def test_what_its_schema_takes_passes() -> None:
    checker_of(AGED)('{"age": 5, "more": []}')


@pytest.mark.parametrize(
    ("text", "words"),
    [('{"age": "5"}', "age"), ("{}", "age"), ('{"age": 5', "not JSON"), ("", "not JSON")],
)
def test_what_it_does_not_take_is_refused_with_the_text(text: str, words: str) -> None:
    with pytest.raises(AnswerInvalid, match=words) as caught:
        checker_of(AGED)(text)
    assert caught.value.details["text"] == text


def test_a_catastrophic_expression_takes_no_longer_than_its_text() -> None:
    check = checker_of({"type": "string", "pattern": "^(a+)+$"})
    check('"' + "a" * 100_000 + '"')
    with pytest.raises(AnswerInvalid):
        check('"' + "a" * 100_000 + 'b"')


@pytest.mark.parametrize(
    "schema", [{"type": "shoe"}, {"required": "age"}, {"$ref": "#/$defs/none"}, {"minimum": "5"}]
)
def test_what_is_no_schema_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(ConstraintRefused):
        checker_of(schema)


NEST = {
    "$ref": "#/$defs/n",
    "$defs": {
        "n": {"anyOf": [{"type": "array", "items": {"$ref": "#/$defs/n"}}] * 2 + [{"type": "null"}]}
    },
}
LADDER = {
    "$ref": "#/$defs/a0",
    "$defs": {
        **{f"a{n}": {"anyOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(60)},
        "a60": {"type": "null"},
    },
}


@pytest.mark.parametrize(
    ("schema", "is_checked"),
    [
        (AGED, True),
        ({"type": "array", "items": {"$ref": "#"}}, True),
        ({"properties": {"next": {"$ref": "#"}}, "type": "object"}, True),
        ({"anyOf": [AGED, {"type": "null"}]}, True),
        (NEST, False),
        (LADDER, False),
    ],
)
def test_a_validator_that_might_take_for_ever_is_not_asked(
    schema: dict[str, Any], is_checked: bool
) -> None:
    assert (n_ways(schema) < MOST_WAYS) is is_checked


def test_an_answer_that_a_validator_would_never_be_through_with_takes_no_time() -> None:
    checker_of(NEST)("[" * 60 + "5" + "]" * 60)
    checker_of(LADDER)("5")
    with pytest.raises(AnswerInvalid, match="not JSON"):
        checker_of(NEST)("[")
