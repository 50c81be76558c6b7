"""argparse whose complaints are `BadRequest`s: the option by name, what it takes, the nearest one.

Knows nothing of any option in particular. Base of the magics' parser and of `jupyter wiz`'s.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from wiz_kernel_ext.commands.nearest import nearest
from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.local_paths import located_source

_SHORT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MAX_WORDS = 20
_WRONG_CHOICE = re.compile(r"invalid choice: '([^']*)'")


class TypedParser(argparse.ArgumentParser):
    """A parser that raises `BadRequest`, takes no abbreviations, and suggests what was meant."""

    help_hint = "--help lists the options."

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.exit_on_error = False
        self.allow_abbrev = False

    def parse_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """The parsed arguments; raises BadRequest naming the option that does not fit."""
        try:
            found, extra = self.parse_known_args(args, namespace)
        except argparse.ArgumentError as error:
            name = (error.argument_name or "").partition("/")[0]
            what = error.message
            if (word := _WRONG_CHOICE.match(what)) and (commands := self.commands()):
                near = nearest(word[1], commands)
                hint = f"Did you mean {near}? " if near else ""
                raise BadRequest(
                    f"There is no command {word[1]!r}.",
                    hint=f"{hint}--help lists the commands.",
                    field="command",
                ) from None
            if "expected" in what:
                what = "needs a value"
            raise BadRequest(f"{name} {what}.", hint=self.help_hint, field=name) from None
        if extra:
            if quoted := _unquoted(list(sys.argv[1:] if args is None else args)):
                raise BadRequest(
                    f"Unexpected argument {extra[0]!r}.",
                    hint=f'Quote a name that has blanks: "{quoted}".',
                    field=extra[0],
                )
            raise self._parser_of(found).unexpected(extra[0])
        return found

    def _parser_of(self, found: argparse.Namespace) -> TypedParser:
        """The parser of the command that was named: another's options are not meant."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                parser = action.choices.get(getattr(found, action.dest, ""))
                if isinstance(parser, TypedParser):
                    return parser
        return self

    def unexpected(self, word: str) -> BadRequest:
        """The complaint about a word that is no option and no argument of this parser."""
        if not word.startswith("-"):
            return BadRequest(f"Unexpected argument {word!r}.", hint=self.help_hint, field=word)
        name = word.partition("=")[0]
        near = nearest(name, self.option_names())
        hint = f"Did you mean {near}? {self.help_hint}" if near else self.help_hint
        return BadRequest(f"Unknown option {name}.", hint=hint, field=name)

    def option_names(self) -> list[str]:
        """Every option this parser knows, also those of its subcommands."""
        names = list(self._option_string_actions)
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                for sub in action.choices.values():
                    names += sub._option_string_actions
        return names

    def commands(self) -> list[str]:
        """The names of the subcommands."""
        actions = (a for a in self._actions if isinstance(a, argparse._SubParsersAction))
        return [name for action in actions for name in action.choices]

    def action_of(self, option: str) -> argparse.Action | None:
        """What `option` does, None if there is no such option."""
        return self._option_string_actions.get(option)

    def takes_value(self, option: str) -> bool | None:
        """Whether `option` is followed by a value; None if there is no such option."""
        action = self._option_string_actions.get(option)
        return None if action is None else action.nargs != 0

    def error(self, message: str) -> NoReturn:
        """Raise what argparse would print and exit with."""
        raise BadRequest(f"{message[:1].upper()}{message[1:]}.", hint=self.help_hint, field="")


def _unquoted(words: Sequence[str]) -> str | None:
    """The file that some of `words` are together, one that is there or is called like a model."""
    words = words[:_MAX_WORDS]
    runs = [
        words[start:end]
        for start in range(len(words))
        for end in range(len(words), start + 1, -1)
        if not any(word.startswith("-") for word in words[start:end])
    ]
    names = [" ".join(run) for run in runs]
    here = [name for name in names if located_source(name) != name]
    return next(iter([*here, *(name for name in names if name.lower().endswith(".gguf"))]), None)


def checked_name(name: str, what: str) -> str:
    """`name` if `what` ("An alias") can be called that; raises BadRequest."""
    if not _SHORT_NAME.fullmatch(name):
        raise BadRequest(
            f"{what} cannot be called {name[:80]!r}.",
            hint="Use up to 64 letters, digits, dots, dashes and underscores.",
            field="name",
        )
    return name
