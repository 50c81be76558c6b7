"""Prompts end with question marks; help still works."""

from __future__ import annotations

import pytest

from tests.notebook.conftest import Cells
from tests.support.fake_client import said
from wiz_kernel_ext.protocol.requests import Prompt

CALL = "get_ipython().run_line_magic('wiz_prompt', {!r})\n"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("%wiz_prompt What is my name?", "What is my name?"),
        ("%wiz_prompt What's my name?", "What's my name?"),
        ("%wiz_prompt --temperature 0 Is it x[0]?", "--temperature 0 Is it x[0]?"),
        ("%wiz_prompt Really??", "Really??"),
        ("%wiz_prompt ?", "?"),
        ("%wiz_prompt Say it is so.", "Say it is so."),
        ("%wiz_prompt Is {a} = %wiz_prompt b?", "Is {a} = %wiz_prompt b?"),
    ],
)
def test_a_question_is_a_prompt(cells: Cells, code: str, text: str) -> None:
    assert cells.shell.transform_cell(code) == CALL.format(text)


def test_it_may_stand_anywhere_a_magic_may(cells: Cells) -> None:
    code = "for i in range(2):\n    %wiz_prompt Who am I?\nx = %wiz_prompt Who are you?\n1 + 1\n"
    assert cells.shell.transform_cell(code) == (
        "for i in range(2):\n    " + CALL.format("Who am I?")
        + "x = " + CALL.format("Who are you?") + "1 + 1\n"
    )  # fmt: skip


@pytest.mark.parametrize("code", ["%wiz_prompt?", "%wiz_prompt??", "wiz_prompt?", "len?"])
def test_help_is_still_help(cells: Cells, code: str) -> None:
    assert "pinfo" in cells.shell.transform_cell(code)


def test_a_string_is_left_alone(cells: Cells) -> None:
    code = 'text = """\n%wiz_prompt Who am I?\n"""\n'
    assert cells.shell.transform_cell(code) == code


def test_without_the_extension_ipython_rules_again(cells: Cells) -> None:
    cells.must("%load_ext wiz_kernel_ext\n%unload_ext wiz_kernel_ext")
    assert "pinfo" in cells.shell.transform_cell("%wiz_prompt Who am I?")


def test_the_question_reaches_the_model(cells: Cells) -> None:
    cells.client.prompts = [said("Ana"), said("Ana")]
    cells.must("%wiz_prompt What is my name?")
    cells.must("x = %wiz_prompt What is my name?")
    assert cells.shell.user_ns["x"] == "Ana"
    for request in cells.client.asked:
        assert isinstance(request, Prompt)
        assert request.prompt == "What is my name?"
