"""`unload`: give a model's memory back."""

from __future__ import annotations

import argparse

from wiz_kernel_ext.commands.command import (
    Command,
    Face,
    KnownNames,
    NothingToDo,
    Parser,
    UserInterface,
)
from wiz_kernel_ext.errors import ModelNotLoaded
from wiz_kernel_ext.protocol.requests import UnloadModel


def arguments(parser: Parser, face: Face) -> None:
    """MODEL, and whether others matter."""
    parser.add_argument("model", nargs="?", metavar="MODEL", help="as it was loaded")
    parser.add_argument("--force", action="store_true", help="also while it answers somebody else")


def run(ui: UserInterface, arguments: argparse.Namespace) -> None:
    """End the model's process."""
    from wiz_kernel_ext.commands.service_tables import unloaded_line
    from wiz_kernel_ext.local_paths import located

    model = located(arguments.model) if arguments.model else None
    request = UnloadModel(model_path=model, force=arguments.force)
    try:
        info = ui.client.request(request)
    except ModelNotLoaded as error:
        if model:
            raise
        raise NothingToDo("No model is loaded.", error) from None
    ui.show(unloaded_line(info))


def completes(words: list[str], known: KnownNames) -> list[str]:
    """What is loaded."""
    return known.loaded()


COMMAND = Command(
    help="unload a model: its process ends, and its memory is free again",
    more="Refused while it answers somebody else.",
    notebook_help="Without a name: the one this notebook talks to.",
    arguments=arguments,
    run=run,
    starts_service=False,
    completes=completes,
)
