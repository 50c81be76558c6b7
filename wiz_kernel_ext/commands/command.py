"""What a command is: declared once, for a notebook and a terminal alike.

Each file of `definitions/` has one as `COMMAND`; `listing.py` finds them. `notebook/magics/` makes
magics of them and `cli/` the commands of `jupyter wiz`. Knows argparse; imports nothing heavy, as
`%load_ext` reads every definition.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from wiz_kernel_ext.client import Client, Operation
    from wiz_kernel_ext.commands.service_tables import Table
    from wiz_kernel_ext.errors import WizError
    from wiz_kernel_ext.protocol.results import SessionInfo

Parser = argparse._ActionsContainer
Face = Literal["notebook", "terminal"]
NOTEBOOK: tuple[Face, ...] = ("notebook",)
TERMINAL: tuple[Face, ...] = ("terminal",)
BOTH: tuple[Face, ...] = ("notebook", "terminal")
# What is typed before a command's name.
PREFIX: dict[Face, str] = {"notebook": "%wiz_", "terminal": "jupyter wiz "}


class NothingToDo(Exception):
    """There is nothing to act on: a cell shows `line` and succeeds, a terminal raises `error`."""

    def __init__(self, line: str, error: WizError) -> None:
        super().__init__(line)
        self.line = line
        self.error = error


class UserInterface(Protocol):
    """How a command talks with its user, in a notebook or at a terminal."""

    @property
    def client(self) -> Client:
        """The client."""

    def show(self, line: str, tables: Sequence[Table] = ()) -> None:
        """Let the user read a line and tables."""

    def confirm(self, question: str) -> bool | None:
        """What the user answers; None where nobody can be asked."""

    def follow(self, operation: Operation, title: str) -> Any:
        """Show the progress of `operation` until it ends; returns its result."""

    def session(self) -> SessionInfo | None:
        """The conversation the user is in; None at a terminal, which is in none."""

    def close(self) -> None:
        """Close the client: the service is gone."""


class KnownNames(Protocol):
    """The names that can complete a command's arguments; each is empty where no service runs."""

    def model_files(self) -> list[str]:
        """GGUF files near the working directory."""

    def library(self) -> list[str]:
        """Models on this machine, and the user's names for them."""

    def loaded(self) -> list[str]:
        """Models that are loaded."""

    def sessions(self) -> list[str]:
        """Conversations, latest used first."""

    def collections(self) -> list[str]:
        """Collections of models."""

    def operations(self, *, running: bool) -> list[str]:
        """Ids of operations, latest first."""

    def quants(self) -> list[str]:
        """What a model can be quantized to."""


def no_arguments(parser: Parser, face: Face) -> None:
    """A command that takes none."""


def no_completion(words: list[str], known: KnownNames) -> list[str]:
    """A command whose arguments have no names to offer."""
    return []


@dataclass(frozen=True, kw_only=True)
class Command:
    """One command: its help, its arguments, what it does, and where it exists.

    `help` is one line; `more` follows it on every face, `notebook_help` in a notebook only. `{0}`
    in them stands for what is typed before a command's name.

    `run` gets the interface and the parsed arguments, shows what people read and returns what
    scripts want; with `lists`, that can be had as JSON. Without `starts_service`, no service is
    started for it. A face named in `own_file` does the command in a file of the command's name:
    `notebook/magics/NAME.py`, `cli/NAME.py`. With `takes_text`, a magic's line is prose with
    options, or a cell's body is the text.
    """

    help: str
    more: str = ""
    notebook_help: str = ""
    notebook_usage: str | None = None
    faces: tuple[Face, ...] = BOTH
    arguments: Callable[[Parser, Face], None] = no_arguments
    run: Callable[[UserInterface, argparse.Namespace], Any] | None = None
    own_file: tuple[Face, ...] = ()
    lists: bool = False
    starts_service: bool = True
    takes_text: bool = False
    completes: Callable[[list[str], KnownNames], list[str]] = no_completion

    def description(self, face: Face) -> str:
        """The help's first part, as `face` shows it."""
        sentence = f"{self.help[:1].upper()}{self.help[1:]}."
        parts = [sentence, self.more, self.notebook_help if face == "notebook" else ""]
        return "\n\n    ".join(filter(None, parts)).replace("{0}", PREFIX[face])


def add_model(parser: Parser, help: str = "any name of a model, or a path") -> None:
    """Let `parser` take MODEL."""
    parser.add_argument("model", metavar="MODEL", help=help)


def add_operation(parser: Parser, face: Face, *, required: bool = False) -> None:
    """Let `parser` take the ID of an operation."""
    prefix = PREFIX[face].replace("%", "%%")  # argparse expands a percent sign
    help = f"as {prefix}ops lists it"
    parser.add_argument("id", nargs=None if required else "?", metavar="ID", help=help)


def model_completion(words: list[str], known: KnownNames) -> list[str]:
    """The first argument is a model on this machine."""
    return [] if words else sorted({*known.model_files(), *known.library()})


def add_text(parser: Parser) -> None:
    """Let a command of the terminal take one text, from its line, from standard input or both."""
    parser.add_argument(
        "text",
        nargs="*",
        metavar="TEXT",
        help="what standard input has follows it, or stands at -",
    )


def add_texts(parser: Parser) -> None:
    """Let a command of the terminal take many texts."""
    parser.add_argument(
        "texts", nargs="*", metavar="TEXT", help="without any, each line of standard input"
    )
