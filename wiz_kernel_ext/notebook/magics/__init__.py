"""The magics: one for each command of `commands/definitions/` that a notebook has.

`WizMagics` holds what they share, the notebook and the defaults of `%config WizMagics`. How a magic
is done is read when it is first used: `%load_ext` should not be felt.
"""

from __future__ import annotations

import atexit
from collections.abc import Callable
from functools import cached_property
from importlib import import_module
from types import new_class
from typing import TYPE_CHECKING, Any

from IPython.core.magic import line_cell_magic, line_magic, magics_class, no_var_expand

from wiz_kernel_ext.commands.command import Command
from wiz_kernel_ext.errors import PackageGone, unexpected
from wiz_kernel_ext.notebook.defaults import Defaults
from wiz_kernel_ext.notebook.magic_parser import MagicParser, takes
from wiz_kernel_ext.notebook.magics.parsers import COMMANDS, PARSERS

if TYPE_CHECKING:
    from wiz_kernel_ext.client import Client
    from wiz_kernel_ext.notebook.current_notebook import Notebook
    from wiz_kernel_ext.notebook.screen import Screen


def _connect() -> Client:
    from wiz_kernel_ext.client import Client

    return Client()


def _do(host: Any, name: str, command: Command, *parsed: Any) -> Any:
    """Do a command in its own file here, if it has one, or as its definition says."""
    try:
        if "notebook" in command.own_file:
            return import_module(f"{__name__}.{name}").run(host, *parsed)
        return import_module(f"{__name__}.notebook_ui").run(host, command, *parsed)
    except ModuleNotFoundError as error:
        gone = unexpected(error, "")
        raise gone if isinstance(gone, PackageGone) else error from None


def _line_magic(name: str, command: Command, parser: MagicParser) -> Callable[..., Any]:
    def magic(self: Any, line: str) -> Any:
        return _do(self, name, command, parser.parse_line(line))

    return magic


def _text_magic(name: str, command: Command, parser: MagicParser) -> Callable[..., Any]:
    """The text is a line's rest, or a cell's body, in which nothing is expanded."""

    def magic(self: Any, line: str, cell: str | None = None) -> Any:
        arguments, text = parser.parse_prompt_line(line)
        if cell is not None:
            if text:
                raise parser.unexpected(text.split()[0])
            text = cell.strip("\n")
        return _do(self, name, command, arguments, text)

    return magic


def _add_magics(namespace: dict[str, Any]) -> None:
    for name, command in COMMANDS.items():
        parser = PARSERS[name]
        make = _text_magic if command.takes_text else _line_magic
        magic = make(name, command, parser)
        magic.__name__ = magic.__qualname__ = parser.prog
        marked = takes(parser)(magic)
        namespace[parser.prog] = (
            no_var_expand(line_cell_magic(marked)) if command.takes_text else line_magic(marked)
        )


if TYPE_CHECKING:
    _Magics = Defaults
else:
    _Magics = new_class("_Magics", (Defaults,), {}, _add_magics)


@magics_class
class WizMagics(_Magics):
    """The magics of wiz_kernel_ext."""

    @cached_property
    def notebook(self) -> Notebook:
        """This kernel as the service knows it."""
        from wiz_kernel_ext.notebook.current_notebook import Notebook

        shell: Any = self.shell
        notebook = Notebook(shell, _connect)
        atexit.register(notebook.close)
        return notebook

    @property
    def screen(self) -> Screen:
        """Where the running cell's output goes."""
        from wiz_kernel_ext.notebook.screen import screen_of

        return screen_of(self.notebook.shell, self.output)

    def close(self) -> None:
        """Let go of the service, if it was ever asked."""
        if "notebook" in vars(self):
            self.notebook.close()
            atexit.unregister(self.notebook.close)
