"""`verify`: compare a model's files with their sha256."""

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
from wiz_kernel_ext.errors import ChecksumMismatch
from wiz_kernel_ext.protocol.hub_requests import VerifyModel


def arguments(parser: Parser, face: Face) -> None:
    """MODEL."""
    add_model(parser)


def run(ui: UserInterface, arguments: argparse.Namespace) -> Any:
    """Check a model's files; raises ChecksumMismatch naming the damaged ones."""
    from wiz_kernel_ext.local_paths import located

    operation = ui.client.start(VerifyModel(model=located(arguments.model)))
    found = ui.follow(operation, arguments.model)
    if found.bad:
        raise ChecksumMismatch(
            f"{found.name} is damaged: {', '.join(found.bad)}.",
            hint=f"Fetch it again: `wiz rm {found.name}`, then `wiz pull {found.name}`.",
            files=found.bad,
        )
    return found


COMMAND = Command(
    help="compare a model's files with their sha256",
    arguments=arguments,
    run=run,
    completes=model_completion,
)
