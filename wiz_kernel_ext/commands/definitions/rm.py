"""`rm`: delete a model's files."""

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
from wiz_kernel_ext.errors import BadRequest


def arguments(parser: Parser, face: Face) -> None:
    """MODEL, and whether the user agreed already."""
    add_model(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(ui: UserInterface, arguments: argparse.Namespace) -> Any:
    """Delete a model, once the user has agreed."""
    from wiz_kernel_ext.commands.model_tables import deletion_line, file_table
    from wiz_kernel_ext.local_paths import located

    model = located(arguments.model)
    deletion = ui.client.remove_model(model, only_ask=True)
    if not deletion.allowed:
        raise BadRequest(
            f"{deletion.name} is not deleted: {deletion.reason}",
            hint="Delete it with what it belongs to.",
            field="model",
        )
    if not arguments.yes:
        ui.show(deletion_line(deletion), [file_table(deletion.files)])
        agreed = ui.confirm(f"Delete {deletion.name}? [y/N] ")
        if agreed is None:
            raise BadRequest(
                f"{deletion.name} is not deleted: nobody can be asked here.",
                hint=f"To delete it: `wiz rm {arguments.model} --yes`",
                field="--yes",
            )
        if not agreed:
            ui.show("Nothing was deleted.")
            return None
    deleted = ui.client.remove_model(model)
    ui.show(deletion_line(deleted, done=True))
    return deleted


COMMAND = Command(
    help="delete a model's files",
    more="Shows what that frees, and asks first. Where nobody can be asked it needs --yes.",
    arguments=arguments,
    run=run,
    completes=model_completion,
)
