"""The parser of each magic, made of `commands/definitions/`; its help is what `%name?` shows."""

from __future__ import annotations

from wiz_kernel_ext.commands.command import Command
from wiz_kernel_ext.commands.listing import commands_of
from wiz_kernel_ext.notebook.magic_parser import MagicParser


def _parser(name: str, command: Command) -> MagicParser:
    parser = MagicParser(
        f"wiz_{name}", command.description("notebook"), usage=command.notebook_usage
    )
    command.arguments(parser, "notebook")
    return parser


COMMANDS = commands_of("notebook")
PARSERS = {name: _parser(name, command) for name, command in COMMANDS.items()}
