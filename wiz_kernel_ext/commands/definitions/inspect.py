"""`inspect`: what a GGUF says of itself."""

from __future__ import annotations

import argparse
from typing import Any

from wiz_kernel_ext.commands.command import (
    Command,
    Face,
    Parser,
    UserInterface,
    add_model,
    model_completion,
)
from wiz_kernel_ext.commands.flags import add_flags, flags
from wiz_kernel_ext.protocol.hub_requests import Inspect

FLAGS = flags(Inspect, {"context_size": "ctx"})


def arguments(parser: Parser, face: Face) -> None:
    """MODEL, and the context it should fit with."""
    add_model(parser)
    add_flags(parser, FLAGS.values())


def run(ui: UserInterface, arguments: argparse.Namespace) -> Any:
    """Show its facts, and whether it fits."""
    from wiz_kernel_ext.commands.inspection_tables import inspection_line, inspection_tables
    from wiz_kernel_ext.local_paths import located

    found = ui.client.inspect(located(arguments.model), context_size=arguments.context_size)
    ui.show(inspection_line(found), inspection_tables(found))
    return found


COMMAND = Command(
    help="show what a GGUF says of itself, here or on the hub",
    more="Nothing is loaded; of a remote file only the header is read.",
    arguments=arguments,
    run=run,
    lists=True,
    completes=model_completion,
)
