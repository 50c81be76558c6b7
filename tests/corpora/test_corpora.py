"""What the corpora say of themselves is so: by jsonschema and by Python's `re`."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from jsonschema.validators import Draft202012Validator, validator_for

from tests.corpora.choices import CHOICES
from tests.corpora.grammars import GRAMMARS
from tests.corpora.regexes import REGEXES
from tests.corpora.schemas import CORPUS
from tests.corpora.schemas.case import Case
from tests.corpora.schemas.checking import fault, fault_of_value

TO_ENFORCE = [case for case in CORPUS if case.refused is None]


def test_the_corpora_are_as_large_as_they_were() -> None:
    assert len(CORPUS) >= 540
    assert len(TO_ENFORCE) >= 380
    assert len(REGEXES) >= 40
    assert len(GRAMMARS) >= 20
    assert len(CHOICES) >= 20


@pytest.mark.parametrize("corpus", [CORPUS, REGEXES, GRAMMARS, CHOICES])
def test_no_two_have_the_same_name(corpus: list[Case]) -> None:
    assert [name for name, n in Counter(case.name for case in corpus).items() if n > 1] == []


def test_what_is_to_be_enforced_is_a_schema() -> None:
    for case in TO_ENFORCE:
        validator_for(case.schema, default=Draft202012Validator).check_schema(
            case.schema, format_checker=None
        )


def test_valid_values_fit_their_schemas() -> None:
    wrong = {
        case.name: why
        for case in CORPUS
        if case.is_checkable
        for value in case.valid
        if (why := fault_of_value(case.schema, value))
    }
    assert wrong == {}


def test_invalid_values_do_not() -> None:
    wrong = [
        (case.name, value)
        for case in CORPUS
        if case.is_checkable
        for value in case.invalid
        if not fault_of_value(case.schema, value)
    ]
    assert wrong == []


def test_texts_that_may_never_come_are_at_fault() -> None:
    wrong = [(c.name, text) for c in CORPUS for text in c.never if not fault(c.schema, text)]
    assert wrong == []


def test_multiples_are_counted_in_decimals() -> None:
    cents = {"type": "number", "multipleOf": 0.01}
    assert fault(cents, "0.29") == fault(cents, "1e400") == ""
    assert fault(cents, "0.295").startswith("multipleOf: 0.295 is no multiple")


def test_categories_of_unicode_are_written_out() -> None:
    assert fault({"pattern": r"^\p{Lu}\p{Ll}$"}, '"Éa"') == ""
    assert fault({"pattern": r"^\p{Lu}\p{Ll}$"}, '"éa"').startswith("pattern: 'éa'")


def test_answers_match_their_regex_or_do_not() -> None:
    known_to_python = [case for case in REGEXES if r"\p" not in case.asked]
    for case in known_to_python:
        for text in [*case.valid, *case.invalid]:
            matches = re.fullmatch(case.asked, text) is not None
            assert matches == (text in case.valid), (case.name, text)


def test_choices_are_valid_and_others_are_not() -> None:
    for case in CHOICES:
        assert set(case.valid) <= set(case.asked)
        assert not set(case.invalid) & set(case.asked)
