"""Lets a prompt end with a question mark.

To IPython, `%wiz_prompt What is my name?` asks for help on `name`: its rule for `thing?` goes
before that for `%magic`. The two rules here are IPython's own for magics, applied sooner, to our
lines only; `%wiz_prompt?` still asks for help. `register` and `unregister` call in.
"""

from __future__ import annotations

import tokenize
from typing import Any, cast

from IPython.core.inputtransformer2 import EscapedCommand, MagicAssign

Tokens = list[tokenize.TokenInfo]
Place = tuple[int, int]
SOONER = 4  # IPython's rule for help has 5, those for magics have 10


class Question(EscapedCommand):
    """`%wiz_prompt … ?` is a magic."""

    priority = SOONER

    @classmethod
    def find(cls, tokens_by_line: list[Tokens]) -> Question | None:
        """The first such line."""
        place = _first(tokens_by_line, assigned=False)
        return None if place is None else cls(place)


class AssignedQuestion(MagicAssign):
    """`answer = %wiz_prompt … ?` is an assignment."""

    priority = SOONER

    def __init__(self, place: Place) -> None:
        # Rules are ordered by column first, and the one for help claims the whole line.
        begin_at: Any = super().__init__
        begin_at((place[0], 0))
        self._column = place[1]

    @classmethod
    def find(cls, tokens_by_line: list[Tokens]) -> AssignedQuestion | None:
        """The first such line."""
        place = _first(tokens_by_line, assigned=True)
        return None if place is None else cls(place)

    def transform(self, lines: list[str]) -> list[str]:
        """The lines with the assignment as Python."""
        self.start_col = self._column
        return cast(list[str], super().transform(lines))


def allow_questions(shell: Any) -> None:
    """Take prompts that end with a question mark in `shell`."""
    shell.input_transformer_manager.token_transformers += [Question, AssignedQuestion]


def disallow_questions(shell: Any) -> None:
    """Leave it to IPython again."""
    manager = shell.input_transformer_manager
    manager.token_transformers = [
        rule for rule in manager.token_transformers if rule not in (Question, AssignedQuestion)
    ]


def _first(tokens_by_line: list[Tokens], *, assigned: bool) -> Place | None:
    for line in tokens_by_line:
        if len(line) < 2 or line[-2].string != "?":
            continue
        words = [t for t in line if t.type not in (tokenize.INDENT, tokenize.DEDENT)]
        percents = [n for n, word in enumerate(words[:-2]) if word.string == "%"]
        if not percents:
            continue
        n = percents[0]
        is_ours = words[n + 1].string == "wiz_prompt" and words[n + 2].start != words[n + 1].end
        is_assigned = n > 0 and words[n - 1].string == "="
        if is_ours and (is_assigned if assigned else n == 0):
            return words[n].start
    return None
