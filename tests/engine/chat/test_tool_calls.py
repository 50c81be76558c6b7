"""Tools on offer: what may be called with what, what is refused, and calls read back."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from typing import Any

import pytest

from tests.engine.chat.test_tool_envelopes import FORMS, HERMES_FORM, written
from tests.engine.fake_backend import USER, FakeContext, FakeModel
from tests.engine.test_engine import Prompted, Rig
from wiz_kernel_ext.engine.chat.tool_calls import MOST_CALLS, Tools, read_tools, said, tools_of
from wiz_kernel_ext.engine.chat.tool_envelopes import PLAIN, Envelope
from wiz_kernel_ext.engine.constraints.grammars import Grammars
from wiz_kernel_ext.engine.constraints.vocabulary import Vocabulary
from wiz_kernel_ext.engine.sequence import Listener
from wiz_kernel_ext.errors import AnswerInvalid, BadRequest, ConstraintRefused
from wiz_kernel_ext.protocol.codec import decode, encode
from wiz_kernel_ext.protocol.options import PromptOptions
from wiz_kernel_ext.protocol.results import ToolCall

CITY = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 8}, "days": {"type": "integer"}},
    "required": ["city"],
}
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 8}, "age": {"type": "integer"}},
    "required": ["name", "age"],
}


def tool(name: str, parameters: Any = None, **more: Any) -> dict[str, Any]:
    function = {"name": name, **more}
    if parameters is not None:
        function["parameters"] = parameters
    return {"type": "function", "function": function}


GET, NOW = tool("get", CITY), tool("get_now")
CONTROL_FORM = Envelope(
    '<user>[{"name": "',
    '", "arguments": ',
    "}]",
    '}, {"name": "',
    text_first=True,
    controls={"<user>": USER},
)
ENVELOPES = {
    **{name: form for name, (_, form) in FORMS.items() if form},
    "plain": PLAIN,
    "control": CONTROL_FORM,
}


@pytest.fixture(scope="module")
def grammars() -> Grammars:
    return Grammars(lambda: Vocabulary(FakeModel()))


def offered(envelope: Envelope, *described: dict[str, Any], is_free: bool = True) -> Tools:
    return Tools(list(described), envelope, is_free=is_free)


def accepts(
    grammars: Grammars, text: str, tools: Tools, *, control: bool = False, **options: Any
) -> bool | None:
    """Whether `text` is a whole answer; None where it may go on only."""
    constraint = grammars.constraint(PromptOptions(**options), (), tools)
    assert constraint is not None
    for token in FakeModel().tokenize(text, parse_special=control):
        if not constraint.mask()[token >> 5] >> (token & 31) & 1:
            return False
        constraint.take(token, forces=False)
    return True if constraint.is_whole else None


@pytest.mark.parametrize("family", ENVELOPES)
@pytest.mark.parametrize("is_free", [True, False])
def test_an_answer_is_text_or_whole_calls_in_each_familys_own_envelope(
    grammars: Grammars, family: str, is_free: bool
) -> None:
    envelope = ENVELOPES[family]
    tools = offered(envelope, GET, NOW, is_free=is_free)
    options: dict[str, Any] = {"control": family == "control"}
    options |= {} if is_free else {"schema": PERSON}
    call = written(envelope, [("get", {"city": "Bonn", "days": 3})])
    assert accepts(grammars, call, tools, **options) is True
    assert accepts(grammars, written(envelope, [("get_now", {})]), tools, **options) is True
    for name, arguments in [
        ("get", {"town": "Bonn"}),
        ("get", {"city": "Bonn", "days": "3"}),
        ("get", {}),
        ("got", {"city": "Bonn"}),
        ("get_now", {"a": 1}),
    ]:
        text = written(envelope, [(name, arguments)])
        assert accepts(grammars, text, tools, **options) is False
    several = written(envelope, [("get", {"city": "Bonn"}), ("get_now", {})])
    is_one = envelope.between is None
    assert accepts(grammars, several, tools, **options) is not is_one
    if is_free:
        assert accepts(grammars, "Hello, {there}.", tools, **options) is True
        assert accepts(grammars, "", tools, **options) is True
        led = accepts(grammars, f"So: {call}", tools, **options)
        assert led is True if envelope.text_first or envelope.is_bare else led is False
    else:
        assert accepts(grammars, '{"name": "Ann", "age": 3}', tools, **options) is True
        assert accepts(grammars, "Hello", tools, **options) is False
        assert accepts(grammars, f"So: {call}", tools, **options) is False


@pytest.mark.parametrize("family", ENVELOPES)
def test_a_call_that_is_begun_has_to_be_completed(grammars: Grammars, family: str) -> None:
    envelope = ENVELOPES[family]
    tools, control = offered(envelope, GET), family == "control"
    assert accepts(grammars, envelope.mark[:-1], tools) is True
    assert accepts(grammars, envelope.mark, tools, control=control) is None
    assert accepts(grammars, envelope.mark + "?", tools, control=control) is False


def test_a_mark_of_the_vocabulary_cannot_be_written_as_text(grammars: Grammars) -> None:
    assert accepts(grammars, "<user>", offered(CONTROL_FORM, GET)) is False


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"regex": "(?s:.*)"}, "any text"),
        ({"choices": ["<tool_box>", "no"]}, "<tool_box>"),
        ({"grammar": 'root ::= "x" [a-z]+ "y"'}, "xay"),
        ({"schema": {"type": "object"}}, '{"name": "get"}'),
    ],
)
@pytest.mark.parametrize("envelope", [HERMES_FORM, PLAIN], ids=["hermes", "plain"])
def test_every_constraint_goes_together_with_tools(
    grammars: Grammars, options: dict[str, Any], text: str, envelope: Envelope
) -> None:
    tools = offered(envelope, GET, is_free=False)
    assert accepts(grammars, text, tools, **options) is True
    call = written(envelope, [("get", {"city": "Bonn"})])
    assert accepts(grammars, call, tools, **options) is True
    assert [one.name for one in tools.read(call)] == ["get"]
    assert tools.read(text) == []
    if "schema" not in options or not envelope.is_bare:
        wrong = written(envelope, [("get", {"city": 3})])
        assert accepts(grammars, wrong, tools, **options) is False


def test_more_calls_than_anyone_means_are_not_made(grammars: Grammars) -> None:
    tools = offered(HERMES_FORM, NOW)
    most = written(HERMES_FORM, [("get_now", {})] * MOST_CALLS)
    more = written(HERMES_FORM, [("get_now", {})] * (MOST_CALLS + 1))
    assert accepts(grammars, most, tools, allow_repeats=True) is True
    assert accepts(grammars, more, tools, allow_repeats=True) is False


def test_references_inside_parameters_are_followed(grammars: Grammars) -> None:
    parameters = {
        "type": "object",
        "properties": {"at": {"$ref": "#/$defs/place"}},
        "required": ["at"],
        "$defs": {"place": {"enum": ["here", "there"]}},
    }
    tools = offered(HERMES_FORM, tool("go", parameters))
    assert accepts(grammars, written(HERMES_FORM, [("go", {"at": "here"})]), tools) is True
    assert accepts(grammars, written(HERMES_FORM, [("go", {"at": "far"})]), tools) is False


@pytest.mark.parametrize(
    ("parameters", "keywords", "words"),
    [
        ({"properties": {"a": {"type": "array", "uniqueItems": True}}}, ["uniqueItems"], "`unique"),
        ({"properties": {"a": {"not": {}}}}, ["not"], "`not` cannot be enforced"),
        ({"properties": {"a": {"$ref": "#"}}, "required": ["a"]}, ["$ref"], "without an end"),
        ({"properties": {"a": {"type": "strnig"}}}, None, "strnig"),
    ],
)
@pytest.mark.parametrize("options", [{}, {"choices": ["yes"]}])
def test_what_cannot_be_enforced_names_the_tool_and_the_keyword(
    grammars: Grammars,
    parameters: dict[str, Any],
    keywords: list[str] | None,
    words: str,
    options: dict[str, Any],
) -> None:
    with pytest.raises(ConstraintRefused) as caught:
        tools = offered(HERMES_FORM, GET, tool("odd", parameters), is_free=not options)
        grammars.constraint(PromptOptions(**options), (), tools)
    assert "'odd'" in str(caught.value)
    assert words in str(caught.value)
    details = caught.value.details
    assert (details["field"], details["tool"]) == ("tools", "odd")
    assert keywords is None or details["keywords"] == keywords


def test_a_constraint_that_cannot_be_enforced_is_still_its_own_refusal(grammars: Grammars) -> None:
    with pytest.raises(ConstraintRefused) as caught:
        grammars.constraint(
            PromptOptions(regex="(?=a)b"), (), offered(HERMES_FORM, GET, is_free=False)
        )
    assert caught.value.details["field"] == "regex"


@pytest.mark.parametrize(
    ("described", "field"),
    [
        ([{"type": "function"}], "tools[0].name"),
        ([GET, tool("")], "tools[1].function.name"),
        ([tool("a b")], "tools[0].function.name"),
        ([GET, GET], "tools[1].function.name"),
        ([{"function": "get"}], "tools[0].function"),
        ([tool("get", ["city"])], "tools[0].function.parameters"),
        ([tool("get", {"type": "string"})], "tools[0].function.parameters"),
    ],
)
def test_a_malformed_description_is_named(described: list[dict[str, Any]], field: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read_tools(described)
    assert caught.value.details["field"] == field
    assert field in str(caught.value)


def test_a_function_may_stand_by_itself_and_without_parameters() -> None:
    (one,) = read_tools([{"name": "get", "description": "Gets it."}])
    assert one.name == "get"
    assert one.parameters == {"type": "object", "properties": {}, "additionalProperties": False}


def test_calls_are_read_with_their_arguments() -> None:
    tools = offered(HERMES_FORM, GET, NOW)
    calls = tools.read("Let me see.\n" + written(HERMES_FORM, [("get", {"city": "Bonn"})] * 2))
    assert [(one.name, one.arguments) for one in calls] == [("get", {"city": "Bonn"})] * 2
    assert tools.read(written(HERMES_FORM, [("got", {})])) == []


def test_numbers_that_no_computer_has_travel_too() -> None:
    text = written(HERMES_FORM, [("get", {"city": "Bonn", "days": 10**23})])
    (call,) = offered(HERMES_FORM, GET).read(text)
    assert decode(encode(call), ToolCall).arguments["days"] == 10**23


def test_arguments_that_are_not_of_their_schema_are_no_answer() -> None:
    with pytest.raises(AnswerInvalid):
        offered(HERMES_FORM, GET).read(written(HERMES_FORM, [("get", {"city": 3})]))
    assert offered(PLAIN, GET).read(written(PLAIN, [("get", {"city": 3})])) == []


def test_where_no_form_is_known_only_a_constraint_brings_the_plain_one() -> None:
    assert tools_of(None, HERMES_FORM, is_free=True) is None
    assert tools_of([GET], None, is_free=True) is None
    tools = tools_of([GET], None, is_free=False)
    assert tools is not None
    assert tools.envelope is PLAIN
    with pytest.raises(BadRequest):
        tools_of([GET, GET], None, is_free=True)


def test_a_model_whose_template_knows_no_tools_is_told_of_them_in_words() -> None:
    text = said([tool("get", CITY, description="Gets the weather.")])
    assert "- get: Gets the weather." in text
    assert json.dumps(CITY) in text


class Eager(FakeContext):
    """Begins a call now and then, where it may."""

    def sample(self, sampler: Any, row: int) -> int:
        allowed = self._allowed.get(row) or []
        if USER in allowed and zlib.crc32(repr(self._known[row]).encode()) % 8 == 0:
            return USER
        return super().sample(sampler, row)


def asked(text: str, tools: Tools, n_most: int = 250, **options: Any) -> Prompted:
    rig = Rig(make_context=Eager)
    prompted = Prompted()
    listener = Listener(on_event=prompted.events.append, on_end=prompted.ends.append)
    given = PromptOptions(max_tokens=n_most, **options)
    constraint = rig.grammars.constraint(given, (), tools)
    rig.engine.submit(list(text.encode()), given, listener, constraint=constraint)
    rig.run()
    return prompted


def test_random_text_becomes_text_or_valid_calls_and_shows_its_control_tokens() -> None:
    tools = offered(CONTROL_FORM, GET, NOW)
    n_calls = n_led = 0
    for n in range(60):
        prompted = asked(f"prompt {n}", tools)
        info = prompted.info
        assert prompted.deltas == info.text
        if info.incomplete:
            continue
        calls = tools.read(info.text)
        n_calls += bool(calls)
        n_led += bool(calls) and not info.text.startswith("<user>")
        assert bool(calls) is ("<user>" in info.text)
    assert n_calls >= 20
    assert n_led >= 5


@pytest.mark.parametrize("envelope", [CONTROL_FORM, HERMES_FORM, PLAIN])
def test_random_text_with_a_schema_becomes_json_of_it_or_valid_calls(envelope: Envelope) -> None:
    tools = offered(envelope, GET, is_free=False)
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
    kinds = set()
    for n in range(60):
        info = asked(f"prompt {n}", tools, schema=schema).info
        if info.incomplete:
            continue
        if not (calls := tools.read(info.text)):
            assert set(json.loads(info.text)) == {"age"}
        kinds.add(bool(calls))
    assert kinds == {True, False}


def test_a_call_that_is_cut_is_incomplete_and_free_text_never_is() -> None:
    tools = replace_text_first(CONTROL_FORM)
    ends = [asked(f"prompt {n}", tools, 12).info for n in range(40)]
    assert {(info.incomplete, "<user>" in info.text) for info in ends} == {
        (True, True),
        (False, False),
    }


def replace_text_first(envelope: Envelope) -> Tools:
    return offered(replace(envelope, text_first=False), GET)
