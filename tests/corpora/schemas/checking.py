"""Whether an answer fits its schema, by jsonschema: apart from what makes the grammars.

Two of its checks are replaced: `multipleOf` counts in decimals (in floats 0.29 is no multiple of
0.01), and a pattern with categories of Unicode, which Python's `re` does not know, is written out
for it.
"""

from __future__ import annotations

import json
import math
import re
import sys
import unicodedata
import warnings
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from itertools import groupby
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend, validator_for

from tests.corpora.schemas.case import Schema

CATEGORY = re.compile(r"\\p\{(\w+)\}")


def fault(schema: Schema, text: str) -> str:
    """Why the answer `text` does not fit `schema`; empty where it does."""
    try:
        value = json.loads(text)
    except ValueError as error:
        return f"no JSON: {error}"
    return fault_of_value(schema, value)


def fault_of_value(schema: Schema, value: Any) -> str:
    """Why `value` does not fit `schema`; empty where it does."""
    of_draft = validator_for(schema, default=Draft202012Validator)
    checker = extend(of_draft, {"multipleOf": _multiple_of, "pattern": _pattern})
    error = next(checker(schema, format_checker=of_draft.FORMAT_CHECKER).iter_errors(value), None)
    return f"{error.validator}: {error.message}" if error else ""


def _multiple_of(_: Any, unit: float, value: Any, __: Any) -> Iterator[ValidationError]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    if math.isfinite(value) and Fraction(repr(value)) % Fraction(repr(unit)):
        yield ValidationError(f"{value} is no multiple of {unit}")


def _pattern(_: Any, regex: str, value: Any, __: Any) -> Iterator[ValidationError]:
    if isinstance(value, str) and not _compiled(regex).search(value):
        yield ValidationError(f"{value!r} does not match {regex!r}")


@cache
def _compiled(regex: str) -> re.Pattern[str]:
    with warnings.catch_warnings():
        # What may mean another thing in a later Python.
        warnings.simplefilter("ignore", FutureWarning)
        return re.compile(CATEGORY.sub(lambda found: f"[{_members(found[1])}]", regex))


@cache
def _members(category: str) -> str:
    """The ranges of a category of Unicode, as they stand in a set."""
    codes = (
        code
        for code in range(sys.maxunicode + 1)
        if unicodedata.category(chr(code)).startswith(category)
    )
    runs = groupby(enumerate(codes), lambda pair: pair[1] - pair[0])
    spans = [[code for _, code in run] for _, run in runs]
    return "".join(f"\\U{span[0]:08x}-\\U{span[-1]:08x}" for span in spans)
