"""`cancel`: end an operation."""

from __future__ import annotations

import argparse

from wiz_kernel_ext.commands.command import (
    Command,
    Face,
    KnownNames,
    Parser,
    UserInterface,
    add_operation,
)


def arguments(parser: Parser, face: Face) -> None:
    """ID; a notebook may leave it out."""
    add_operation(parser, face, required=face == "terminal")


def run(ui: UserInterface, arguments: argparse.Namespace) -> None:
    """Cancel what is named, else what runs for this client and its conversation."""
    client = ui.client
    if arguments.id:
        ended = client.cancel(arguments.id)
    else:
        session = ui.session()
        of_client = client.cancel()
        of_session = client.cancel(session=session.id) if session else []
        ended = sorted({*of_client, *of_session})
    ui.show(f"Cancelled: {', '.join(ended)}" if ended else "Nothing was running.")


def completes(words: list[str], known: KnownNames) -> list[str]:
    """What runs."""
    return [] if words else known.operations(running=True)


COMMAND = Command(
    help="cancel an operation",
    notebook_help="Without an ID: what runs for this notebook.",
    arguments=arguments,
    run=run,
    starts_service=False,
    completes=completes,
)
