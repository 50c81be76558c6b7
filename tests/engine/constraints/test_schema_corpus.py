"""All of the corpus, without a model: what it refuses, and what its masks let through."""

from __future__ import annotations

import json
import random

import pytest

from tests.corpora.schemas import CORPUS
from tests.corpora.schemas.case import Case
from tests.corpora.schemas.gaps import AT_TIMES, GAPS
from tests.corpora.schemas.verdicts import RIGHT, Outcome, judge
from tests.corpora.schemas.walks import DeadEnd, accepts, answer
from tests.engine.fake_backend import FakeModel
from wiz_kernel_ext.engine.constraints.grammars import Grammars
from wiz_kernel_ext.engine.constraints.vocabulary import Vocabulary
from wiz_kernel_ext.errors import ConstraintRefused
from wiz_kernel_ext.protocol.options import PromptOptions

N_ANSWERS = 4
N_MOST = 300
GROUPS = sorted({case.group for case in CORPUS})


@pytest.fixture(scope="module")
def grammars() -> Grammars:
    return Grammars(lambda: Vocabulary(FakeModel()))


def faults(grammars: Grammars, case: Case) -> list[str]:
    """What is wrong with how a schema is taken; nothing where all is well."""
    try:
        constraint = grammars.constraint(PromptOptions(schema=case.schema), ())
    except ConstraintRefused as error:
        verdict, why = judge(case, Outcome(refusal=f"{error} {error.hint} {error.details}"))
        return [] if verdict in RIGHT else [f"{verdict}: {why}"]
    except TypeError as error:
        return [repr(error)]
    assert constraint is not None
    if case.refused and not case.may_be_enforced:
        return ["not refused"]
    as_texts = [json.dumps(value, ensure_ascii=False) for value in case.invalid]
    wrong = [t for t in [*as_texts, *case.never] if accepts(constraint.copy(), t)]
    found = [f"lets through: {text}" for text in wrong]
    chance = random.Random(case.name)
    for _ in range(N_ANSWERS):
        try:
            text = answer(constraint.copy(), chance, N_MOST)
        except DeadEnd as error:
            return [*found, f"a dead end after: {error}"]
        verdict, why = judge(case, Outcome(text=text or "", is_incomplete=text is None))
        found += [] if verdict in RIGHT else [f"{verdict}: {why}"]
    return found


@pytest.mark.parametrize("group", GROUPS)
def test_what_is_enforced_is_enforced_to_the_letter_and_the_rest_is_refused_by_name(
    grammars: Grammars, group: str
) -> None:
    cases = [case for case in CORPUS if case.group == group]
    wrong = {case.name: found for case in cases if (found := faults(grammars, case))}
    assert {name: found for name, found in wrong.items() if name not in GAPS} == {}
    known = {case.name for case in cases} & (GAPS - AT_TIMES)
    assert known - wrong.keys() == set(), "strike these from tests/corpora/schemas/gaps.py"
