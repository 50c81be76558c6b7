"""Expressions, grammars and choices of the corpora, without a model: what is let through."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from tests.corpora.choices import CHOICES
from tests.corpora.grammars import GRAMMARS
from tests.corpora.regexes import REGEXES
from tests.corpora.schemas.walks import DeadEnd, accepts, answer
from tests.corpora.text_case import TextCase
from tests.engine.fake_backend import FakeModel
from wiz_kernel_ext.engine.constraints.grammars import Grammars
from wiz_kernel_ext.engine.constraints.vocabulary import Vocabulary
from wiz_kernel_ext.errors import ConstraintRefused
from wiz_kernel_ext.protocol.options import PromptOptions

N_MOST = 200
N_TRIED = 40
"""Of the answers of a case with thousands."""
GAPS: dict[str, set[str]] = {"grammar": set(), "regex": set(), "choices": set()}
"""What falls short today: it is given up in the middle of its answer, not before."""


@pytest.fixture(scope="module")
def grammars() -> Grammars:
    return Grammars(lambda: Vocabulary(FakeModel()))


def faults(grammars: Grammars, kind: str, case: TextCase[Any]) -> list[str]:
    """What is wrong with how a case is taken; nothing where all is well."""
    options = PromptOptions(**{kind: case.asked})
    try:
        constraint = grammars.constraint(options, ())
    except ConstraintRefused as error:
        if case.refused is None:
            return [f"refused: {error}"]
        said = f"{error} {error.hint}".lower()
        is_named = any(word.lower() in said for word in case.refused.split("|"))
        return [] if is_named else [f"not named: {error}"]
    assert constraint is not None
    if case.refused and not case.may_be_enforced:
        return ["not refused"]
    valid, invalid = case.valid[:N_TRIED], case.invalid[:N_TRIED]
    found = [f"does not take {text!r}" for text in valid if not accepts(constraint.copy(), text)]
    found += [f"lets through {text!r}" for text in invalid if accepts(constraint.copy(), text)]
    try:
        answer(constraint.copy(), random.Random(case.name), N_MOST)
    except DeadEnd as error:
        found.append(f"a dead end after: {error}")
    except ConstraintRefused as error:
        found.append(f"given up midway: {error}")
    return found


@pytest.mark.parametrize(
    ("kind", "corpus"), [("regex", REGEXES), ("grammar", GRAMMARS), ("choices", CHOICES)]
)
def test_what_fits_may_come_and_what_does_not_may_not(
    grammars: Grammars, kind: str, corpus: Sequence[TextCase[Any]]
) -> None:
    wrong = {case.name: found for case in corpus if (found := faults(grammars, kind, case))}
    assert {name: found for name, found in wrong.items() if name not in GAPS[kind]} == {}
    assert wrong.keys() >= GAPS[kind], "strike it from the gaps"
