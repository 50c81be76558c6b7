"""`ops`: the latest operations."""

from __future__ import annotations

import argparse
import time
from typing import Any

from wiz_kernel_ext.commands.command import Command, Face, Parser, UserInterface
from wiz_kernel_ext.commands.flags import flags
from wiz_kernel_ext.protocol.requests import ListOperations

LIMIT = flags(ListOperations, {"limit": "n"})["limit"]


def arguments(parser: Parser, face: Face) -> None:
    """How many."""
    parser.add_argument("-n", type=LIMIT.read, default=10, metavar="N", help="how many (10)")


def run(ui: UserInterface, arguments: argparse.Namespace) -> Any:
    """List the latest operations."""
    from wiz_kernel_ext.commands.service_tables import operation_table

    found = ui.client.operations(arguments.n)
    ui.show("", [operation_table(found, time.time())])
    return found


COMMAND = Command(
    help="list the latest operations: prompts, loads and downloads",
    arguments=arguments,
    run=run,
    lists=True,
    starts_service=False,
)
