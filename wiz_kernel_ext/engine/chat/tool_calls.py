"""Tools on offer: what may be called with what, as a grammar, and an answer's calls read back.

An answer is either text (free, or of the prompt's own constraint) or calls in the model's envelope
(`tool_envelopes.py`), whose arguments keep to each tool's schema. Pure; called by
`constraints/grammars.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wiz_kernel_ext.engine.chat.tool_envelopes import (
    CALL_ID,
    ID_PATTERN,
    NAME_PATTERN,
    PLAIN,
    Envelope,
)
from wiz_kernel_ext.engine.constraints.json_answer import checker_of
from wiz_kernel_ext.errors import AnswerInvalid, BadRequest, ConstraintRefused
from wiz_kernel_ext.protocol.results import ToolCall

MOST_CALLS = 32
"""In one answer; a small model would go on for ever."""

Grammar = dict[str, Any]
"""One of llguidance's named grammars, as JSON."""


@dataclass(frozen=True)
class Tool:
    """A function on offer; `parameters` is the schema of its arguments, an object's."""

    name: str
    parameters: dict[str, Any]
    check: Callable[[str], None]


class Tools:
    """The tools of one prompt in a model's envelope; `is_free`: its text has no other constraint.

    Raises BadRequest for descriptions that are none, ConstraintRefused for schemas that are none.
    """

    def __init__(self, described: list[dict[str, Any]], envelope: Envelope, *, is_free: bool):
        self.each = read_tools(described)
        self.envelope = envelope
        self.is_free = is_free
        self.is_anywhere = is_free and envelope.text_first
        """Whether free text may stand before the first call."""

    @property
    def key(self) -> list[Any]:
        """The same for prompts whose grammars are the same."""
        known = self.envelope
        texts = [known.first, known.middle, known.between, known.last, dict(known.controls)]
        return [[[tool.name, tool.parameters] for tool in self.each], *texts, self.is_anywhere]

    def read(self, text: str) -> list[ToolCall]:
        """The calls that an answer consists of; empty where it is another answer.

        Raises AnswerInvalid where arguments are not of their tool's schema.
        """
        known = {tool.name: tool for tool in self.each}
        calls: list[ToolCall] = []
        for name, start, end in self.envelope.calls(text, anywhere=self.is_anywhere):
            if (tool := known.get(name)) is None:
                return []
            try:
                tool.check(text[start:end])
            except AnswerInvalid:
                if self.envelope.is_bare:  # it may as well be JSON of the answer's schema
                    return []
                raise
            calls.append(ToolCall(name=name, text=text[start:end]))
        return calls

    def grammars(self, arguments: list[Grammar], answer: Grammar | None) -> list[Grammar]:
        """The grammar of the whole answer, the first; `arguments` has each tool's, in order.

        `answer` is the text's, None where it is free.
        """
        is_json = answer is not None and bool(answer.get("json_schema"))
        lines = self._as_json() if is_json and self.envelope.is_bare else self._in_envelope()
        named = [{**one, "name": f"arguments{n}"} for n, one in enumerate(arguments)]
        text = [{**answer, "name": "answer"}] if answer else []
        return [{"name": "whole", "lark_grammar": "\n".join(lines)}, *named, *text]

    def _in_envelope(self) -> list[str]:
        known = self.envelope
        mark, glue = known.mark, self._lark
        calls = (
            f"call ({glue(known.between)} call){{0,{MOST_CALLS - 1}}}" if known.between else "call"
        )
        if (token := known.controls.get(mark)) is not None:
            opening = f"opening: {'TEXT? ' if self.is_anywhere else ''}<[{token}]>"
        else:
            # Lazy: it is read as the mark as soon as it is one, whatever text might go on with.
            opening = f"opening[lazy]: {'ANY ' if self.is_anywhere else ''}MARK"
        within = "MARK ANY" if known.is_bare else "ANY MARK ANY"
        return [
            f"start: {'TEXT?' if self.is_free else '@answer'} | opening calls",
            opening,
            f"calls: {glue(known.first[len(mark) :])} {calls} {glue(known.last)}",
            *self._each(lambda tool: glue(tool.name + known.middle)),
            "ANY: /(?s:.*)/",
            f"MARK: {_quoted(mark)}",
            f"TEXT: ANY & ~({within})",
            f"CALL_ID: /{ID_PATTERN}/",
        ]

    def _as_json(self) -> list[str]:
        """Word by word, as JSON of the answer's schema is read: both may begin alike."""
        known = self.envelope

        def words(text: str) -> str:
            return " ".join(map(_quoted, re.findall(r'"[^"]*"|[{}]|[^"{}]+', text)))

        return [
            f"start: @answer | call {words(known.last)}",
            *self._each(lambda tool: words(known.first + tool.name + known.middle)),
        ]

    def _each(self, begin: Callable[[Tool], str]) -> list[str]:
        ways = (f"{begin(tool)} @arguments{n}" for n, tool in enumerate(self.each))
        return [f"call: {' | '.join(ways)}"]

    def _lark(self, text: str) -> str:
        written = []
        for piece in self.envelope.pieces(text):
            if isinstance(piece, int):
                written.append(f"<[{piece}]>")
            else:
                written.append("CALL_ID" if piece == CALL_ID else _quoted(piece))
        return " ".join(written)


def tools_of(
    described: list[dict[str, Any]] | None, envelope: Envelope | None, *, is_free: bool
) -> Tools | None:
    """The tools of a prompt; None where it has none, or is free in a form that is not known."""
    if not described:
        return None
    tools = Tools(described, envelope or PLAIN, is_free=is_free)
    return None if envelope is None and is_free else tools


def read_tools(described: list[dict[str, Any]]) -> list[Tool]:
    """The tools of descriptions in OpenAI's form, or the function of one alone."""
    tools: list[Tool] = []
    for n, one in enumerate(described):
        field = f"tools[{n}].function" if "function" in one else f"tools[{n}]"
        function = one.get("function", one)
        if not isinstance(function, dict):
            raise _malformed(field, "is no object")
        name = function.get("name")
        if not isinstance(name, str) or not re.fullmatch(NAME_PATTERN, name):
            raise _malformed(
                f"{field}.name", "is no name of a function (letters, digits, _ . : / -)"
            )
        if any(tool.name == name for tool in tools):
            raise _malformed(f"{field}.name", f"is {name!r} once more")
        parameters = function.get("parameters")
        parameters = {} if parameters is None else parameters
        if not isinstance(parameters, dict) or parameters.get("type", "object") != "object":
            raise _malformed(f"{field}.parameters", "is no schema of an object")
        tools.append(_tool(name, parameters))
    return tools


def said(described: list[dict[str, Any]]) -> str:
    """What a model is told of tools whose chat template knows none."""
    listed = []
    for one in described:
        function = one.get("function", one)
        about = f" {function['description']}" if function.get("description") else ""
        schema = json.dumps(function.get("parameters") or {"type": "object"}, ensure_ascii=False)
        listed.append(f"- {function.get('name')}:{about} Its arguments: {schema}")
    return "\n".join(
        [
            "You can call these functions:",
            *listed,
            "To call one, answer with this JSON and nothing else:",
            '{"name": "<name of the function>", "arguments": {<its arguments>}}',
        ]
    )


def refused_tool(name: str, why: str, keywords: list[str], hint: str | None) -> ConstraintRefused:
    """The error for a tool whose arguments cannot be enforced."""
    return ConstraintRefused(
        f"The parameters of the tool {name!r} are refused: {why}.",
        hint=hint,
        field="tools",
        tool=name,
        keywords=keywords,
    )


def _tool(name: str, parameters: dict[str, Any]) -> Tool:
    parameters = {"type": "object", **parameters}
    if not parameters.keys() - {"type", "properties", "description", "title", "required"}:
        # A function without parameters takes none, where a schema would let it take any.
        parameters = {"properties": {}, **parameters}
        if not parameters["properties"]:
            parameters["additionalProperties"] = False
    try:
        return Tool(name, parameters, checker_of(parameters))
    except ConstraintRefused as error:
        keywords = error.details.get("keywords", [])
        raise refused_tool(name, _why(error), keywords, error.hint) from None


def _why(error: ConstraintRefused) -> str:
    return error.message.partition(" is refused: ")[2].rstrip(".")


def _malformed(field: str, what: str) -> BadRequest:
    return BadRequest(
        f"{field} {what}.",
        hint='A tool is {"type": "function", "function": {"name": …, "parameters": …}}, its '
        "parameters a JSON schema of an object.",
        field=field,
    )


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
