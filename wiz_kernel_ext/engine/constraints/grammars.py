"""From what an answer is to be (schema, expression, choices, grammar) to what the engine follows.

Compiled with llguidance, once for prompts that ask for the same; whatever it cannot enforce is
refused here, before the first token. Used from the threads that encode prompts.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
from llguidance import LLMatcher

from wiz_kernel_ext.engine.chat.tool_calls import Tool, Tools, refused_tool
from wiz_kernel_ext.engine.constraints.constraint import Check, Constraint, reason
from wiz_kernel_ext.engine.constraints.culprits import culprits
from wiz_kernel_ext.engine.constraints.gbnf import lark_of_gbnf
from wiz_kernel_ext.engine.constraints.guard import CallGuard, Guard
from wiz_kernel_ext.engine.constraints.json_answer import checker_of
from wiz_kernel_ext.engine.constraints.json_schema import check_parts, enforceable
from wiz_kernel_ext.engine.constraints.vocabulary import Vocabulary
from wiz_kernel_ext.errors import ConstraintRefused, WizError
from wiz_kernel_ext.protocol.options import CONSTRAINTS, PromptOptions

MOST_KEPT = 64
_JSON_FORM: Any = {
    "whitespace_flexible": False,
    "item_separator": ", ",
    "key_separator": ": ",
    "lenient": False,
    "coerce_one_of": False,
    # Not by number: a property's name could be spelt otherwise, and be taken for another.
    "json_allowed_escapes": '"\\\\nrtbf',
}
"""One space where people and models write one, and nothing else: where white space is free, a hot
model never leaves it."""
_UNIMPLEMENTED = re.compile(r"Unimplemented keys: (\[.*\])")


class Grammars:
    """Compiled constraints of one model, the latest used kept; `vocabulary` is made when needed."""

    def __init__(self, vocabulary: Callable[[], Vocabulary]) -> None:
        self._make_vocabulary = vocabulary
        self._vocabulary: Vocabulary | None = None
        self._compiled_for: dict[bytes, _Compiled] = {}
        self._lock = threading.Lock()

    def constraint(
        self, options: PromptOptions, ends: Collection[int], tools: Tools | None = None
    ) -> Constraint | None:
        """What follows an answer of these options; None where it may be anything.

        `ends` are tokens that end it beside the model's own; with `tools` it may be calls of them
        instead. Raises ConstraintRefused.
        """
        kind = next((one for one in CONSTRAINTS if getattr(options, one) is not None), None)
        if kind is None and tools is None:
            return None
        asked = kind and getattr(options, kind)
        key = msgspec.json.encode([kind, asked, tools and tools.key])
        with self._lock:
            if self._vocabulary is None:
                self._vocabulary = self._make_vocabulary()
            compiled = self._compiled_for.pop(key, None)
        if compiled is None:
            compiled = self._compiled(kind, asked, self._vocabulary, tools)
        with self._lock:
            self._compiled_for[key] = compiled
            while len(self._compiled_for) > MOST_KEPT:
                del self._compiled_for[next(iter(self._compiled_for))]
            copy = compiled.matcher.deep_copy()
        repeats = bool(options.allow_repeats)
        guard = Guard(self._vocabulary, is_json=kind == "schema", allow_repeats=repeats)
        if tools is None:
            return Constraint(copy, self._vocabulary, guard, ends, check=compiled.check)
        envelope = tools.envelope
        written = {token: text.encode() for text, token in envelope.controls.items()}
        calls = CallGuard(
            guard if kind else None,
            Guard(self._vocabulary, is_json=True, allow_repeats=repeats),
            envelope.mark,
            written,
            anywhere=tools.is_anywhere,
        )
        return Constraint(copy, self._vocabulary, calls, ends, written, check=compiled.check)

    def _compiled(
        self, kind: str | None, asked: Any, vocabulary: Vocabulary, tools: Tools | None
    ) -> _Compiled:
        check = _checker_of(asked) if kind == "schema" else _nothing
        answer = kind and _GRAMMARS[kind](asked)
        if tools is None:
            refuse = partial(_refused_answer, kind, asked)
            return _Compiled(_matcher(answer or "", vocabulary, refuse), check)
        arguments = [_of_arguments(tool.name, tool.parameters) for tool in tools.each]
        named = tools.grammars([_part(one) for one in arguments], _part(answer) if answer else None)

        def blamed(why: str) -> ConstraintRefused:
            if kind and answer:
                _matcher(answer, vocabulary, partial(_refused_answer, kind, asked))
            for tool, one in zip(tools.each, arguments, strict=True):
                _matcher(one, vocabulary, partial(_refused_arguments, tool))
            return ConstraintRefused(
                f"The tools are refused: {why}.", hint="Offer fewer or simpler ones.", field="tools"
            )

        return _Compiled(_matcher(json.dumps({"grammars": named}), vocabulary, blamed), check)


@dataclass(frozen=True)
class _Compiled:
    """What answers follow, and what raises AnswerInvalid for one that is not of its schema."""

    matcher: Any
    check: Check


def _nothing(text: str) -> None:
    """There is no schema."""


def _checker_of(schema: dict[str, Any]) -> Check:
    """Raises ConstraintRefused for what is no schema, or has parts that cannot be enforced."""
    check_parts(schema)
    return checker_of(schema)


def _matcher(grammar: str, vocabulary: Vocabulary, refuse: Callable[[str], WizError]) -> Any:
    """What follows `grammar`; raises what `refuse` makes of the reason why there is nothing."""
    matcher = LLMatcher(vocabulary.tokenizer, grammar, log_level=0)
    if not matcher.is_error():
        matcher.compute_bitmask()  # what explodes does so here, not beside other people's work
    if matcher.is_error():
        raise refuse(reason(matcher))
    return matcher


def _part(grammar: str) -> dict[str, Any]:
    """A grammar as one of several."""
    if not grammar.startswith("{"):
        return {"lark_grammar": grammar}
    (part,) = json.loads(grammar)["grammars"]
    return {name: value for name, value in part.items() if value is not None}


def _of_arguments(name: str, parameters: dict[str, Any]) -> str:
    try:
        check_parts(parameters)
        return _of_schema(parameters)
    except ConstraintRefused as error:
        raise _refused_tool(name, error) from None


def _refused_answer(kind: str | None, asked: Any, why: str) -> ConstraintRefused:
    return refused(kind or "", why, culprits(asked) if kind == "schema" else [])


def _refused_arguments(tool: Tool, why: str) -> ConstraintRefused:
    return _refused_tool(tool.name, refused("schema", why, culprits(tool.parameters)))


def _refused_tool(name: str, error: ConstraintRefused) -> ConstraintRefused:
    said = error.message.partition(" is refused: ")[2].rstrip(".")
    return refused_tool(name, said, error.details["keywords"], error.hint)


def refused(kind: str, why: str, keywords: list[str] | None = None) -> ConstraintRefused:
    """The error for what cannot be enforced, in llguidance's words where ours are no better.

    `keywords` are those of a schema without which it could be, as far as they are known.
    """
    keywords = keywords or []
    found = _UNIMPLEMENTED.search(why)
    keywords = json.loads(found.group(1)) if found else keywords
    if found:
        named = ", ".join(f"`{keyword}`" for keyword in keywords)
        why = f"{named} cannot be enforced while it is written"
    elif "oneOf constraints are not supported" in why:
        keywords, why = ["oneOf"], "the alternatives of a `oneOf` overlap"
    hint = (
        _HINTS.get(kind)
        if not keywords
        else (
            "Leave it out, and check the answer for it afterwards."
            if keywords != ["oneOf"]
            else "Say `anyOf`, or give each alternative a `const` of its own."
        )
    )
    return ConstraintRefused(
        f"The {_NAMES[kind]} of the answer is refused: {why}.",
        hint=hint,
        field=kind,
        keywords=keywords,
    )


def _of_schema(schema: dict[str, Any]) -> str:
    return str(LLMatcher.grammar_from_json_schema(enforceable(schema), overrides=_JSON_FORM))


def _of_regex(regex: str) -> str:
    return str(LLMatcher.grammar_from_regex(regex))


def _of_choices(choices: list[str]) -> str:
    if "" in choices:
        raise refused("choices", "one of them is empty")
    texts = " | ".join(json.dumps(choice, ensure_ascii=False) for choice in choices)
    # One terminal: rules with thousands of alternatives are refused.
    return str(LLMatcher.grammar_from_lark(f"start: CHOICE\nCHOICE: {texts}"))


def _of_grammar(grammar: str) -> str:
    try:
        return str(LLMatcher.grammar_from_lark(lark_of_gbnf(grammar)))
    except ValueError as error:
        raise refused("grammar", str(error)) from None


_GRAMMARS: dict[str, Callable[[Any], str]] = {
    "schema": _of_schema,
    "regex": _of_regex,
    "choices": _of_choices,
    "grammar": _of_grammar,
}
_NAMES = {
    "schema": "schema",
    "regex": "regular expression",
    "choices": "list of choices",
    "grammar": "grammar",
}
_HINTS = {
    "regex": "Expressions have neither look-around nor references back; all of the answer has to "
    "match.",
    "grammar": "A GBNF grammar has a rule `root ::= …` that can come to an end.",
}
