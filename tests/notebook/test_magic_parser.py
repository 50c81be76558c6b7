"""How the lines of magics are split: prose stays prose, options are options."""

from __future__ import annotations

import pytest

from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.notebook.magic_parser import split_words
from wiz_kernel_ext.notebook.magics.parsers import PARSERS

LOAD, PROMPT = PARSERS["load"], PARSERS["prompt"]


@pytest.mark.parametrize(
    ("line", "text", "given"),
    [
        ("What's up, doc?", "What's up, doc?", {}),
        ("--temperature 0 What's up?", "What's up?", {"temperature": 0.0}),
        ("What's up? --temperature 0", "What's up?", {"temperature": 0.0}),
        ("two   spaces  --seed=1  stay", "two   spaces  stay", {"seed": 1}),
        ('"in quotes"', "in quotes", {}),
        ('"a" or "b"', '"a" or "b"', {}),
        ("-5 degrees - cold", "-5 degrees - cold", {}),
        ("-o answer Hello", "Hello", {"o": "answer"}),
        ("Hello --stop 'a b' --stop=\"c d\"", "Hello", {"stop": ["a b", "c d"]}),
        ("-- --temperature is what?", "--temperature is what?", {}),
        ("--new -- -o x", "-o x", {"new": True}),
        ("{braces} and $dollars", "{braces} and $dollars", {}),
        ("--system 'Be brief.' Hi", "Hi", {"system": "Be brief."}),
        ("", "", {}),
    ],
)
def test_text_is_what_is_left_when_the_options_are_taken_out(
    line: str, text: str, given: dict[str, object]
) -> None:
    arguments, rest = PROMPT.parse_prompt_line(line)
    assert rest == text
    set_ones = {k: v for k, v in vars(arguments).items() if v is not None and v is not False}
    assert set_ones == given


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("hello --nonsense 3", "Unknown option --nonsense."),
        ("--temperature warm hello", "--temperature takes a number from 0.0 to 100.0, not 'warm'."),
        ("hello --max-tokens", "--max-tokens needs a value."),
        ("hello --stop 'never closed", "A quote is not closed."),
    ],
)
def test_what_looks_like_an_option_is_never_sent_as_text(line: str, what: str) -> None:
    with pytest.raises(BadRequest) as caught:
        PROMPT.parse_prompt_line(line)
    assert caught.value.message == what
    assert caught.value.details["field"]


def test_words_are_split_as_in_a_shell_but_backslashes_stay() -> None:
    assert split_words(r"""C:\models\x.gguf "my model.gguf" --ctx 8""") == [
        r"C:\models\x.gguf", "my model.gguf", "--ctx", "8",
    ]  # fmt: skip


def test_an_open_quote_is_named() -> None:
    with pytest.raises(BadRequest, match="quote is not closed"):
        LOAD.parse_line("'x.gguf")


def test_abbreviations_are_refused_with_the_whole_name() -> None:
    with pytest.raises(BadRequest) as caught:
        LOAD.parse_line("demo --thr 2")
    assert "Did you mean --threads?" in caught.value.hint
    assert "%wiz_load?" in caught.value.hint


def test_the_help_shows_how_it_is_typed_and_every_option() -> None:
    text = PROMPT.format_help()
    assert "%wiz_prompt [options] TEXT" in text
    assert "%%wiz_prompt [options]" in text
    assert all(option in text for option in PROMPT.option_names())
