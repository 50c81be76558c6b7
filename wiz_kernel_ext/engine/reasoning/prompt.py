"""How a template has its model think: found by asking it, and what is put behind its prompts.

A template is rendered with the variables that switch thinking, on and off; what it then writes
behind the question says whether it opens the thinking itself, and what the model does by default.
Where it has no switch, the marks behind its prompt are one: the opening one has a model think, an
empty thinking has it answer. Pure; called by `chat/encoder.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from wiz_kernel_ext.engine.backend import Model
from wiz_kernel_ext.engine.reasoning.families import (
    BUDGET,
    FIELDS,
    HARMONY,
    SWITCHES,
    Family,
    Value,
    family_of,
)
from wiz_kernel_ext.engine.reasoning.thinking import Reasoning
from wiz_kernel_ext.errors import BadRequest

Values = Mapping[str, Value]
Think = bool | int | None
Render = Callable[[Values], str]

NOT_APART = "This model does not think apart from its answer: `--think` changes nothing."


@dataclass(frozen=True)
class Ending:
    """What is put behind a rendered prompt, and how the answer to it is told apart, if it is."""

    text: str = ""
    reasoning: Reasoning | None = None
    notice: str = ""


class ReasoningTemplate:
    """A template's way with thinking; `render` writes one question with values of its variables.

    A template that says nothing of it is of no family, unless the vocabulary has tokens for the
    marks of one.
    """

    def __init__(self, model: Model, source: str, render: Render) -> None:
        self.family = family_of(source) or _family_in(model)
        self.field = next((f for f in FIELDS if _is_looked_for(f, source)), None)
        self._model = model
        self._switches = {name: both for name, both in SWITCHES.items() if _names(name, source)}
        self._has_switch = False
        self.thinks_by_default = False
        if self.family is None:
            return
        try:
            usual, on, off = (render(self._values(think)) for think in (None, True, False))
        except BadRequest:  # it has other demands: its variables are left alone then
            self._switches = {}
            return
        self._has_switch = on != off
        at = _at_end(usual, self.family)
        is_usual = self._has_switch and usual != off and at != "shut"
        self.thinks_by_default = at == "open" or is_usual

    def asked(self, think: Think, *, constrained: bool) -> Think:
        """What is asked of the model: one that is free to think does so before a given shape too.

        By itself it could not: the shape has no room for the mark that opens it.
        """
        return True if think is None and constrained and self.thinks_by_default else think

    def values(self, think: Think) -> Values:
        """The template's variables for `think`."""
        return self._values(think) if self.family is not None else {}

    def ending(self, text: str, think: Think, *, allow_repeats: bool) -> Ending:
        """What follows a prompt that was rendered as `text` with the values for `think`."""
        family = self.family
        if family is None:
            return Ending(notice=NOT_APART if think else "")
        at = _at_end(text, family)
        if think is False:
            return Ending(self._to_skip(family, at))
        behind = "" if think is None or at == "open" else family.opened
        if at == "shut" and not behind:
            return Ending()
        reasoning = Reasoning(
            family=family,
            is_open=at == "open" or bool(behind),
            shut=tuple(self._model.tokenize(family.shut, parse_special=True)),
            budget=None if think is None or think is True else think,
            marks=self._marks(family),
            allow_repeats=allow_repeats,
        )
        return Ending(behind, reasoning)

    def _to_skip(self, family: Family, at: str) -> str:
        """What has the model answer at once."""
        if at == "open":
            return family.shut
        # Of a template with a switch its own way is trusted, but where that only makes it less.
        is_left_out = at == "shut" or (self._has_switch and family.name != HARMONY)
        return "" if is_left_out else family.skipped

    def _values(self, think: Think) -> dict[str, Value]:
        if think is None:
            return {}
        values = {name: off if think is False else on for name, (on, off) in self._switches.items()}
        if BUDGET in values and think is not True and think is not False:
            values[BUDGET] = think
        return values

    def _marks(self, family: Family) -> dict[int, str]:
        """The tokens of the family's marks that print nothing, with their texts."""
        tokens = {
            token
            for mark in family.marks
            for token in self._model.tokenize(mark, parse_special=True)
            if not self._model.piece(token)
        }
        return {token: self._model.text_of(token) for token in tokens}


def _at_end(text: str, family: Family) -> str:
    """Where a prompt ends: "open" within the thinking, "shut" right behind it, or ""."""
    text = text.rstrip()
    if family.inside:
        text = text.removesuffix(family.inside).rstrip()
    if text.endswith(family.opening.rstrip()):
        return "open"
    shut = [family.shut.rstrip(), family.skipped.rstrip()]
    if family.name != HARMONY:  # whose closing mark ends every turn
        shut += [family.closing, family.answer_opening]
    return "shut" if text.endswith(tuple(mark for mark in shut if mark)) else ""


def _family_in(model: Model) -> Family | None:
    """The family whose marks are tokens of the vocabulary, if there is one."""
    for source in ("[THINK]", "<think>"):
        family = family_of(source)
        assert family is not None
        marks = (family.opening, family.closing)
        if all(len(model.tokenize(mark, parse_special=True)) == 1 for mark in marks):
            return family
    return None


def _names(variable: str, source: str) -> bool:
    return re.search(rf"(?<![.\w'\"]){variable}\b", source) is not None


def _is_looked_for(field: str, source: str) -> bool:
    """Whether a template looks for that field of a message."""
    return (
        re.search(rf"\.{field}\b|[\[(]['\"]{field}['\"]|['\"]{field}['\"] in", source) is not None
    )
