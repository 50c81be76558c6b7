"""Complaints of the parsers: one typed error each, naming the option and what was meant."""

from __future__ import annotations

import pytest

from wiz_kernel_ext.cli.main import parser
from wiz_kernel_ext.commands.listing import commands_of
from wiz_kernel_ext.commands.nearest import MEANT, nearest, slips
from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.notebook.magics.parsers import PARSERS


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


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("load", None),
        ("loda", None),
        ("start", None),
        ("upload", None),
        ("unlaod", "unload"),
        ("stauts", "status"),
        ("stat", "status"),
        ("ls", "models"),
        ("delete", "rm"),
        ("run", "prompt"),
        ("sto", "stop"),
        ("step", "stop"),
        ("stpo", "stop"),
        ("x", None),
    ],
)
def test_a_command_is_never_answered_with_its_opposite(word: str, name: str | None) -> None:
    known = [one for one in commands_of("terminal") if one != "load"]
    assert nearest(word, known) == name


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("--context", "--ctx"),
        ("--context-size", "--ctx"),
        ("--n_gpu_layers", "--gpu-layers"),
        ("--json", None),
        ("--mmpa", "--mmap"),
        ("--no-mmpa", "--no-mmap"),
        ("--no-mlok", "--no-mlock"),
        ("--unload", None),
        ("--thread", "--threads"),
        ("--keep_alive", "--keep-alive"),
        ("--template", "--chat-template"),
        ("--conv", "--convert"),
        ("--loadd", None),
    ],
)
def test_an_option_is_answered_with_what_means_the_same(word: str, name: str | None) -> None:
    assert nearest(word, PARSERS["load"].option_names()) == name


def test_no_name_is_answered_with_its_own_negation_or_another_commands() -> None:
    for parser_ in PARSERS.values():
        names = parser_.option_names()
        for name in names:
            others = [one for one in names if one != name]
            found = nearest(name, others)
            assert found is None or found.startswith("--no-") == name.startswith("--no-"), name
    with pytest.raises(BadRequest) as caught:
        parser().parse_args(["prompt", "Hi", "--jsn"])
    assert "mean" not in caught.value.hint
    with pytest.raises(BadRequest) as caught:
        parser().parse_args(["status", "--jsn"])
    assert "Did you mean --json?" in caught.value.hint


def test_every_word_that_is_known_leads_to_a_name_there_is() -> None:
    options = {o.lstrip("-") for p in PARSERS.values() for o in p.option_names()}
    assert {*MEANT.values()} - {""} <= options | {*commands_of("terminal")}


def test_slips_are_counted_as_people_make_them() -> None:
    pairs = [("", "abc", 3), ("load", "laod", 1), ("load", "unload", 2), ("kitten", "sitting", 3)]
    for one, other, n in pairs:
        assert slips(one, other) == slips(other, one) == n
