"""What to do next is said in the words of the place where it is read."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import wiz_kernel_ext
from wiz_kernel_ext.cli.main import parser
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.errors import ModelFileNotFound, error_from_info
from wiz_kernel_ext.notebook.magics import WizMagics
from wiz_kernel_ext.remedies import Place, read_in, worded

PACKAGE = Path(wiz_kernel_ext.__file__).parent


@pytest.fixture(autouse=True)
def a_program_again() -> Iterator[None]:
    yield
    read_in("python")


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("notebook", "Fetch it: %wiz_pull u/r:Q8_0, then %wiz_rm a --yes. %wiz_ops tells."),
        (
            "terminal",
            "Fetch it: jupyter wiz pull u/r:Q8_0, then jupyter wiz rm a --yes. "
            "jupyter wiz ops tells.",
        ),
        (
            "python",
            "Fetch it: client.pull('u/r:Q8_0'), then client.remove_model('a'). "
            "client.operations() tells.",
        ),
    ],
)
def test_a_command_is_written_as_one_would_write_it_there(place: Place, words: str) -> None:
    read_in(place)
    hint = "Fetch it: `wiz pull u/r:Q8_0`, then `wiz rm a --yes`. `wiz ops` tells."
    assert worded(hint) == words


def test_what_is_no_command_of_ours_stays_as_it_is() -> None:
    for text in ("`hf auth login`", "`jupyter wiz logs` tells", "`wiz` `wizard x`", "a `wiz pull"):
        assert worded(text) == text


def test_an_alias_is_three_calls_to_a_program() -> None:
    assert worded("`wiz alias`") == "client.aliases()"
    assert worded("`wiz alias a u/r`") == "client.set_alias('a', 'u/r')"
    assert worded("`wiz alias --default a`") == "client.set_default_model('a')"


def test_an_option_is_a_keyword_to_a_program() -> None:
    for text, words in {
        "pull m --update": "pull('m', update=True)",
        "convert r --llama-cpp DIR": "convert_model('r', llama_cpp='DIR')",
    }.items():
        assert worded(f"`wiz {text}`") == f"client.{words}"


def test_an_option_alone_is_a_flag_or_a_keyword() -> None:
    hint = "Less of it: `--ctx 2048`, `--kv-type q8_0`, `--output FILE`, or `--reload`."
    assert worded(hint) == (
        "Less of it: context_size=2048, kv_type='q8_0', output=FILE, or reload=True."
    )
    for place in ("notebook", "terminal"):
        read_in(place)
        assert worded(hint) == hint.replace("`", "")


def test_options_of_hints_have_names_in_every_place() -> None:
    """None stands bare, outside a command and backticks, in what the service says."""
    for file, node in hints():
        if file.split("/")[0] in ("notebook", "cli", "commands"):
            continue
        bare = re.sub(r"`[^`]*`", "", ast.unparse(node))
        assert not re.search(r"(?<![\w-])--[a-z]", bare), (file, bare)


def test_an_error_is_worded_where_it_is_read_and_not_where_it_was_raised() -> None:
    raised = ModelFileNotFound("no m", hint="`wiz pull m`")
    read_in("terminal")
    there = error_from_info(raised.info())
    assert there.hint == "jupyter wiz pull m"
    assert there._render_traceback_() == ["ModelFileNotFound: no m", "→ jupyter wiz pull m"]
    assert there.info() == raised.info()


@pytest.mark.skipif(sys.version_info < (3, 11), reason="notes came with Python 3.11")
def test_a_program_that_catches_nothing_is_told_what_next_too() -> None:
    code = "import wiz_kernel_ext.errors as e; raise e.NotFound('no m', hint='`wiz ops`')"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ran.stderr.splitlines()[-1] == "→ client.operations()"


def hints() -> Iterator[tuple[str, ast.AST]]:
    """What every hint of the package is made of, and its file."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        for node in ast.walk(ast.parse(path.read_text())):
            if name != "errors.py" and isinstance(node, ast.keyword) and node.arg == "hint":
                yield name, node.value
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "default_hint":
                yield name, node.value


def texts(node: ast.AST) -> Iterator[str]:
    """The literals in it."""
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            yield part.value


def test_every_command_in_a_hint_is_one_in_every_place() -> None:
    terminal = parser()._subparsers
    assert terminal is not None
    (commands,) = (action.choices for action in terminal._group_actions)
    # A literal may end within a command, where a name is put in.
    names = {
        command.partition("`")[0].split()[0]
        for _, node in hints()
        for text in texts(node)
        for command in text.split("`wiz ")[1:]
    }
    assert {"pull", "rm", "models", "alias", "unload"} <= names
    for name in names:
        read_in("notebook")
        assert hasattr(WizMagics, worded(f"`wiz {name}`").removeprefix("%"))
        read_in("terminal")
        assert worded(f"`wiz {name}`").split()[2] in (commands or {})
        read_in("python")
        if name == "doctor":  # a command line: what ails it may be that nothing can be asked
            assert worded("`wiz doctor`") == f"{sys.executable} -m wiz_kernel_ext doctor"
            continue
        method = worded(f"`wiz {name}`").removeprefix("client.").partition("(")[0]
        assert hasattr(Client, method)


def test_only_the_notebooks_own_hints_name_magics() -> None:
    for file, node in hints():
        if not file.startswith("notebook"):
            assert not [text for text in texts(node) if "%wiz_" in text], file


def test_a_hint_that_is_passed_on_is_the_one_that_was_written() -> None:
    for file, node in hints():
        for part in ast.walk(node):
            if isinstance(part, ast.Attribute) and part.attr == "hint":
                assert isinstance(part.value, ast.Call), f"{file}: take that of info()"
