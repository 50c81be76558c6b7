"""The magics' lines: IPython's argument parser, with our errors and quotes as people type them.

Knows how a line is split. Knows no magic in particular; each file of `magics/` builds its parser
here, and `%name?` shows that parser's help.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from IPython.core.magic_arguments import MagicArgumentParser

from wiz_kernel_ext.commands.parsing import TypedParser
from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.interrupts import held

F = TypeVar("F", bound=Callable[..., Any])


class MagicParser(TypedParser, MagicArgumentParser):
    """The parser of one magic; `prog` is its name without the percent sign."""

    def __init__(self, prog: str, description: str, usage: str | None = None) -> None:
        super().__init__(prog=prog, description=description, usage=usage, add_help=False)
        self.help_hint = f"`%{prog}?` shows the options."

    def parse_line(self, line: str) -> argparse.Namespace:
        """The arguments of `line`; raises BadRequest."""
        return self.parse_args(split_words(line))

    def parse_prompt_line(self, line: str) -> tuple[argparse.Namespace, str]:
        """The options of `line` and the text around them, as it was typed."""
        options, text = split_prompt_line(line, self.takes_value)
        return self.parse_args(options), text

    def parse_argstring(self, argstring: str, *, partial: bool = False) -> Any:
        """IPython's name for `parse_line`; `partial` asks for the Python code in it: there is none.

        Its completer does, of a line that may be half typed.
        """
        return (argparse.Namespace(), []) if partial else self.parse_line(argstring)


def takes(parser: MagicParser) -> Callable[[F], F]:
    """Mark a magic as taking `parser`'s arguments, as IPython's own decorator does.

    An interrupt that nothing in the magic had a better answer to leaves it in two lines; more of
    them change nothing.
    """

    def mark(magic: F) -> F:
        @wraps(magic)
        def run(*args: Any, **kwargs: Any) -> Any:
            try:
                with held(and_then="cell"):
                    return magic(*args, **kwargs)
            except KeyboardInterrupt as error:
                if hasattr(error, "_render_traceback_"):
                    raise
                raise interrupted("Run the cell again to start over.") from None

        marked: Any = run
        marked.parser = parser
        marked.has_arguments = True
        marked.__doc__ = parser.format_help()
        return cast(F, marked)

    return mark


def interrupted(next_step: str) -> KeyboardInterrupt:
    """A KeyboardInterrupt that draws itself in two lines instead of a traceback of ours."""
    error = KeyboardInterrupt("Interrupted.")
    lines = ["KeyboardInterrupt: Interrupted.", f"→ {next_step}"]
    error._render_traceback_ = lambda: lines  # type: ignore[attr-defined]
    return error


def split_words(line: str) -> list[str]:
    """Words as in a shell, but a backslash is only a backslash (paths of Windows)."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=False)
    lexer.whitespace_split = True
    lexer.commenters = ""
    lexer.escape = ""
    try:
        return list(lexer)
    except ValueError:
        raise BadRequest(
            "A quote is not closed.", hint=f"Close it in: {line.strip()}", field="line"
        ) from None


def split_prompt_line(
    line: str, takes_value: Callable[[str], bool | None]
) -> tuple[list[str], str]:
    """The option words of a line of prose, and the rest of it, verbatim.

    An apostrophe is no quote in prose, so only the values of options are unquoted. `--` ends the
    options: what follows it is text, whatever it looks like.
    """
    options: list[str] = []
    text: list[str] = []
    rest = line.lstrip()
    while rest:
        word = rest.split(None, 1)[0]
        after = rest[len(word) :]
        if word == "--":
            text.append(after.lstrip())
            break
        if not _is_option(word):
            space = after[: len(after) - len(after.lstrip())]
            text.append(word + space)
            rest = after.lstrip()
            continue
        name, equals, _ = word.partition("=")
        if equals:
            value, rest = _value(rest[len(name) + 1 :])
            options.append(f"{name}={value}")
        elif takes_value(name) and after.strip():
            value, rest = _value(after.lstrip())
            options += [name, value]
        else:
            options.append(word)
            rest = after.lstrip()
    return options, _unquoted("".join(text).strip())


def _is_option(word: str) -> bool:
    return word == "-o" or (word.startswith("--") and word[2:3].isalpha())


def _value(rest: str) -> tuple[str, str]:
    quote = rest[:1]
    if quote and quote in "'\"":
        value, closed, after = rest[1:].partition(quote)
        if not closed:
            raise BadRequest(
                "A quote is not closed.", hint=f"Close it in: {rest.strip()}", field="line"
            )
        return value, after.lstrip()
    word = rest.split(None, 1)[0] if rest.strip() else ""
    return word, rest[len(word) :].lstrip()


def _unquoted(text: str) -> str:
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return text[1:-1] if quoted and text[0] not in text[1:-1] else text
