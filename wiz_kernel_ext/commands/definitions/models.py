"""`models`: what is on this machine."""

from __future__ import annotations

import argparse
import time
from typing import Any

from wiz_kernel_ext.commands.command import Command, Face, Parser, UserInterface


def arguments(parser: Parser, face: Face) -> None:
    """Whether to ask the hub."""
    parser.add_argument("--check", action="store_true", help="ask the hub which have newer ones")


def run(ui: UserInterface, arguments: argparse.Namespace) -> Any:
    """List the models on this machine."""
    from wiz_kernel_ext.commands.model_tables import library_table

    found = ui.client.models(check=arguments.check)
    ui.show("", [library_table(found, time.time())])
    return found


COMMAND = Command(help="list the models on this machine", arguments=arguments, run=run, lists=True)
