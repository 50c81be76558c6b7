"""From what an answer is to be (schema, expression, choices, grammar) to what the engine follows.

Compiled with llguidance, once for prompts that ask for the same; whatever it cannot enforce is
refused here, before the first token. Used from the threads that encode prompts.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Collection
from typing import Any

import msgspec
from llguidance import LLMatcher

from wiz_kernel_ext.engine.constraint import Constraint, reason
from wiz_kernel_ext.engine.culprits import culprits
from wiz_kernel_ext.engine.gbnf import lark_of_gbnf
from wiz_kernel_ext.engine.guard import Guard
from wiz_kernel_ext.engine.json_answer import checker_of
from wiz_kernel_ext.engine.json_schema import check_parts, enforceable
from wiz_kernel_ext.engine.vocabulary import Vocabulary
from wiz_kernel_ext.errors import ConstraintRefused
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
        self._matchers: dict[bytes, Any] = {}
        self._lock = threading.Lock()

    def constraint(self, options: PromptOptions, ends: Collection[int]) -> Constraint | None:
        """What follows an answer of these options; None where it may be anything.

        `ends` are tokens that end it beside the model's own. Raises ConstraintRefused.
        """
        kind = next((one for one in CONSTRAINTS if getattr(options, one) is not None), None)
        if kind is None:
            return None
        asked = getattr(options, kind)
        key = msgspec.json.encode([kind, asked])
        with self._lock:
            if self._vocabulary is None:
                self._vocabulary = self._make_vocabulary()
            matcher = self._matchers.pop(key, None)
        if matcher is None:
            matcher = self._compiled(kind, asked, self._vocabulary)
        with self._lock:
            self._matchers[key] = matcher
            while len(self._matchers) > MOST_KEPT:
                del self._matchers[next(iter(self._matchers))]
            copy = matcher.deep_copy()
        guard = Guard(
            self._vocabulary, is_json=kind == "schema", allow_repeats=bool(options.allow_repeats)
        )
        return Constraint(copy, self._vocabulary, guard, ends)

    def _compiled(self, kind: str, asked: Any, vocabulary: Vocabulary) -> Any:
        matcher = LLMatcher(vocabulary.tokenizer, _GRAMMARS[kind](asked), log_level=0)
        if not matcher.is_error():
            matcher.compute_bitmask()  # what explodes does so here, not beside other people's work
        if matcher.is_error():
            keywords = culprits(asked) if kind == "schema" else []
            raise refused(kind, reason(matcher), keywords)
        return matcher


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
    check_parts(schema)
    checker_of(schema)  # which refuses what is no schema
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
