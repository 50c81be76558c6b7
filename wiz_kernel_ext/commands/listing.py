"""Every command by its name: the file names of `definitions/`."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from wiz_kernel_ext.commands import definitions
from wiz_kernel_ext.commands.command import Command, Face


def _found() -> dict[str, Command]:
    names = sorted(module.name for module in pkgutil.iter_modules(definitions.__path__))
    return {name: import_module(f"{definitions.__name__}.{name}").COMMAND for name in names}


COMMANDS: dict[str, Command] = _found()


def commands_of(face: Face) -> dict[str, Command]:
    """The commands that `face` has, in alphabetical order."""
    return {name: command for name, command in COMMANDS.items() if face in command.faces}
