"""Complaints of the parsers: one typed error each, naming the option and what was meant."""

from __future__ import annotations

import pytest

from wiz_kernel_ext.cli.main import parser
from wiz_kernel_ext.commands.parsing import nearest
from wiz_kernel_ext.errors import BadRequest


@pytest.mark.parametrize(
    ("argv", "message", "field"),
    [
        (["prompt", "--temprature", "1"], "Unknown option --temprature.", "--temprature"),
        (["prompt", "--temp=1"], "Unknown option --temp.", "--temp"),
        (["prompt", "--top-p", "x"], "--top-p takes a number from 0.0 to 1.0, not 'x'.", "--top-p"),
        (["prompt", "--top-k"], "--top-k needs a value.", "--top-k"),
        (["status", "now"], "Unexpected argument 'now'.", "now"),
    ],
)  # fmt: skip
def test_a_wrong_word_is_a_bad_request_that_names_it(
    argv: list[str], message: str, field: str
) -> None:
    with pytest.raises(BadRequest) as caught:
        parser().parse_args(argv)
    assert caught.value.message == message
    assert caught.value.details["field"] == field
    assert caught.value.hint


def test_an_unknown_option_is_answered_with_the_one_that_was_meant() -> None:
    with pytest.raises(BadRequest) as caught:
        parser().parse_args(["prompt", "--temprature", "1"])
    assert "Did you mean --temperature?" in caught.value.hint


@pytest.mark.parametrize("argv", [[], ["stauts"], ["prompt", "--model"]])
def test_whatever_is_wrong_is_a_bad_request_and_no_exit(argv: list[str]) -> None:
    with pytest.raises(BadRequest):
        parser().parse_args(argv)


@pytest.mark.parametrize(
    ("word", "name"), [("--temp", "--temperature"), ("--topk", "--top-k"), ("--xyzzy", None)]
)
def test_the_nearest_name_is_a_longer_or_a_similar_one(word: str, name: str | None) -> None:
    assert nearest(word, ["--temperature", "--top-k", "--top-p"]) == name
