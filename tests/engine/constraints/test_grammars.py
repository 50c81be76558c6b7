"""What can be enforced is compiled, once for all who ask; what cannot is refused by its name."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.fake_backend import END, FakeModel
from wiz_kernel_ext.engine.constraints.grammars import MOST_KEPT, Grammars
from wiz_kernel_ext.engine.constraints.vocabulary import Vocabulary
from wiz_kernel_ext.errors import ConstraintRefused
from wiz_kernel_ext.protocol.options import PromptOptions


@pytest.fixture(scope="module")
def grammars() -> Grammars:
    return Grammars(lambda: Vocabulary(FakeModel()))


def accepts(grammars: Grammars, text: str, **options: Any) -> bool:
    constraint = grammars.constraint(PromptOptions(**options), ())
    assert constraint is not None
    for byte in text.encode():
        if not constraint.mask()[byte >> 5] >> (byte & 31) & 1:
            return False
        constraint.take(byte, forces=False)
    return constraint.is_whole


@pytest.mark.parametrize(
    ("options", "keywords", "words"),
    [
        ({"schema": {"not": {"type": "string"}}}, ["not"], "`not` cannot be enforced"),
        ({"schema": {"type": "array", "uniqueItems": True}}, ["uniqueItems"], "`uniqueItems`"),
        ({"schema": {"if": {}, "then": {}}}, ["if", "then"], "`if`, `then`"),
        (
            {"schema": {"oneOf": [{"type": "string"}, {"maxLength": 3, "type": "string"}]}},
            ["oneOf"],
            "overlap",
        ),
        (
            {"schema": {"type": "string", "format": "shoe-size"}},
            ["format"],
            "Unknown format: shoe-size",
        ),
        ({"schema": {"$ref": "#/$defs/nothing"}}, ["$ref"], "no schema at"),
        (
            {"schema": {"type": "integer", "minimum": 5, "maximum": 3}},
            ["maximum", "minimum"],
            "minimum (5)",
        ),
        ({"schema": {"enum": []}}, ["enum"], "empty"),
        (
            {"schema": {"properties": {"a": {"$ref": "#"}}, "required": ["a"], "type": "object"}},
            ["$ref"],
            "without an end",
        ),
        ({"regex": "(?=a)b"}, [], "look-around"),
        ({"regex": r"(a)\1"}, [], "backreferences"),
        ({"regex": "["}, [], "unclosed"),
        ({"grammar": 'rot ::= "a"'}, [], "root"),
        ({"grammar": "root ::= x"}, [], "'x'"),
        ({"grammar": 'root ::= "a" root'}, [], "never comes to an end"),
        ({"grammar": 'root ::= a\na ::= "x" b\nb ::= "y" a'}, [], "never comes to an end"),
        ({"grammar": 'root ::= "a'}, [], "end of input"),
        ({"grammar": 'root ::= a\na ::= "x"\na ::= "y"'}, [], "'a' is defined twice"),
        ({"grammar": 'root ::= "a"{1000000000}'}, [], "repeated more than"),
        ({"choices": ["a", ""]}, [], "empty"),
        ({"schema": {"enum": [f"v{n}" for n in range(100_000)]}}, ["enum"], "too big"),
    ],
)
def test_what_cannot_be_enforced_is_refused_by_its_name(
    grammars: Grammars, options: dict[str, Any], keywords: list[str], words: str
) -> None:
    with pytest.raises(ConstraintRefused) as caught:
        grammars.constraint(PromptOptions(**options), ())
    assert words in str(caught.value)
    assert "<state>" not in str(caught.value)
    assert caught.value.details["field"] == next(iter(options))
    assert caught.value.details["keywords"] == keywords


def test_a_schema_cannot_switch_the_refusals_off(grammars: Grammars) -> None:
    schema = {"type": "string", "not": {"const": "a"}, "x-guidance": {"lenient": True}}
    with pytest.raises(ConstraintRefused, match="`not`"):
        grammars.constraint(PromptOptions(schema=schema), ())


@pytest.mark.parametrize(
    ("text", "is_taken"),
    [
        ('{"a": 1, "b": [true, null]}', True),
        ('{"a": 1,"b": [true, null]}', False),
        ('{"a":\t1, "b": [true, null]}', False),
        ('{"b": [true, null], "a": 1}', False),
        ('{"a": 1, "b": [true, null], "c": 2}', False),
    ],
)
def test_json_has_one_space_where_people_write_one_its_order_and_no_other_properties(
    grammars: Grammars, text: str, is_taken: bool
) -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "array"}},
        "required": ["a", "b"],
    }
    assert accepts(grammars, text, schema=schema) is is_taken


def test_ten_thousand_choices_are_taken(grammars: Grammars) -> None:
    choices = [f"choice {n}" for n in range(10_000)]
    assert accepts(grammars, "choice 777", choices=choices)
    assert not accepts(grammars, "choice 77x", choices=choices)


def test_catastrophic_expressions_are_no_catastrophe(grammars: Grammars) -> None:
    assert accepts(grammars, "a" * 2000 + "b", regex="(a+)+b")
    assert not accepts(grammars, "a" * 2000 + "c", regex="(a+)+b")


def test_prompts_that_ask_for_the_same_share_what_was_compiled(
    grammars: Grammars, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[str] = []
    compile_one = Grammars._compiled

    def counted(self: Grammars, kind: str, *others: Any) -> Any:
        compiled.append(kind)
        return compile_one(self, kind, *others)

    monkeypatch.setattr(Grammars, "_compiled", counted)
    options = PromptOptions(regex="shared[0-9]")
    first, second = grammars.constraint(options, ()), grammars.constraint(options, ())
    assert compiled == ["regex"]
    assert first is not None
    assert second is not None
    first.take(ord("s"))
    assert first.is_whole is False
    assert second.mask()[ord("s") >> 5] >> (ord("s") & 31) & 1
    for n in range(MOST_KEPT + 5):
        grammars.constraint(PromptOptions(regex=f"kept{n}"), ())
    assert len(grammars._compiled_for) == MOST_KEPT


def test_what_ends_a_turn_may_end_a_whole_answer(grammars: Grammars) -> None:
    constraint = grammars.constraint(PromptOptions(regex="a+"), [ord("~")])
    assert constraint is not None
    constraint.take(ord("a"))
    mask = constraint.mask()
    assert mask[ord("~") >> 5] >> (ord("~") & 31) & 1
    assert mask[END >> 5] >> (END & 31) & 1


def test_without_a_shape_there_is_no_constraint_and_no_vocabulary_is_made() -> None:
    def never() -> Vocabulary:
        raise AssertionError

    assert Grammars(never).constraint(PromptOptions(), ()) is None


@pytest.mark.parametrize(
    ("options", "text", "fits"),
    [
        ({"regex": "a+b"}, "aaab", True),
        ({"regex": "a+b"}, "aaa", False),
        ({"regex": "a+b"}, "aabb", False),
        ({"choices": ["söuth", "no"]}, "söuth", True),
        ({"choices": ["no"]}, "", False),
        ({"schema": {"type": "integer"}}, "12", True),
        ({"schema": {"type": "integer"}}, "1x", False),
    ],
)
def test_a_whole_answer_is_read_anew_whatever_was_said_meanwhile(
    grammars: Grammars, options: dict[str, Any], text: str, fits: bool
) -> None:
    constraint = grammars.constraint(PromptOptions(**options), ())
    assert constraint is not None
    constraint.work_out()
    constraint.take(text.encode()[0] if text and fits else ord("n"), forces=False)
    assert constraint.fits(text) is fits
    assert constraint.copy().fits(text) is fits
