"""`status`: what is loaded, running and kept."""

from __future__ import annotations

import argparse
import time
from typing import Any

from wiz_kernel_ext.commands.command import NOTEBOOK, Command, Face, Parser, UserInterface


def arguments(parser: Parser, face: Face) -> None:
    """How to show it."""
    if face == "notebook":
        parser.add_argument(
            "--panel", action="store_true", help="as a panel that stays up to date, with buttons"
        )


def run(ui: UserInterface, arguments: argparse.Namespace) -> Any:
    """Show what the service says of itself."""
    from wiz_kernel_ext.commands.service_tables import service_line, status_tables

    status = ui.client.status()
    ui.show(service_line(status), status_tables(status, time.time()))
    return status


COMMAND = Command(
    help="show the service, its models, operations and sessions",
    arguments=arguments,
    run=run,
    own_file=NOTEBOOK,  # --panel
    lists=True,
    starts_service=False,
)
