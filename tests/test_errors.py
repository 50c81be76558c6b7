"""The error tree: one code each, the same class on both sides of the wire, two lines in a cell."""

from __future__ import annotations

import pickle
from collections.abc import Iterator

import pytest

from wiz_kernel_ext import errors
from wiz_kernel_ext.errors import ErrorInfo, WizError, error_from_info
from wiz_kernel_ext.protocol.codec import decode, encode


def tree(root: type[WizError] = WizError) -> Iterator[type[WizError]]:
    yield root
    for child in root.__subclasses__():
        yield from tree(child)


CLASSES = sorted({cls for cls in tree() if cls.__module__ == errors.__name__}, key=str)


def test_every_error_has_a_code_of_its_own_and_stands_in_the_drawing() -> None:
    codes = [cls.code for cls in CLASSES]
    assert len(set(codes)) == len(codes)
    assert errors.__doc__
    missing = [cls.__name__ for cls in CLASSES if cls.__name__ not in errors.__doc__]
    assert not missing


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_an_error_is_the_same_after_the_wire_and_after_a_pickle(cls: type[WizError]) -> None:
    error = cls("what is the case", field="x", n=3)
    there = error_from_info(decode(encode(error.info()), ErrorInfo))
    for copy in (there, pickle.loads(pickle.dumps(error))):
        assert type(copy) is cls
        assert (str(copy), copy.hint, copy.details) == (str(error), error.hint, error.details)


@pytest.mark.parametrize("cls", CLASSES[1:], ids=lambda cls: cls.__name__)
def test_an_error_is_also_the_builtin_a_python_user_would_catch(cls: type[WizError]) -> None:
    builtin = (ValueError, RuntimeError, LookupError, OSError)
    assert cls is WizError or issubclass(cls, builtin)


def test_an_unknown_code_becomes_a_plain_error() -> None:
    assert type(error_from_info(ErrorInfo(code="new_one", message="m"))) is WizError


def test_an_error_draws_itself_in_two_lines() -> None:
    assert WizError("what", hint="what next")._render_traceback_() == [
        "WizError: what",
        "→ what next",
    ]
