"""`collections`: lists of models that a team keeps."""

from __future__ import annotations

import argparse
import time
from typing import Any

from wiz_kernel_ext.commands.command import Command, Face, KnownNames, Parser, UserInterface
from wiz_kernel_ext.commands.parsing import checked_name
from wiz_kernel_ext.errors import BadRequest


def arguments(parser: Parser, face: Face) -> None:
    """What to do with which collection."""
    parser.add_argument(
        "words", nargs="*", metavar="ACTION", help="add NAME SOURCE, remove NAME, or refresh"
    )


def run(ui: UserInterface, arguments: argparse.Namespace) -> Any:
    """Keep, forget, read again and list collections."""
    from wiz_kernel_ext.commands.model_tables import collection_tables
    from wiz_kernel_ext.local_paths import located

    client = ui.client
    match arguments.words:
        case []:
            found = client.collections()
        case ["refresh"]:
            found = client.collections(refresh=True)
        case ["add", name, source]:
            found = [client.add_collection(checked_name(name, "A collection"), located(source))]
        case ["remove", name]:
            gone = client.remove_collection(checked_name(name, "A collection"))
            ui.show(f"{gone.name} is forgotten; its models stay.")
            return gone
        case words:
            raise BadRequest(
                f"{' '.join(words)!r} is nothing to do with collections.",
                hint="add NAME SOURCE, remove NAME, refresh, or nothing to list them.",
                field="words",
            )
    ui.show("", collection_tables(found, time.time()))
    return found


def completes(words: list[str], known: KnownNames) -> list[str]:
    """What to do, then the collection to forget."""
    if not words:
        return ["add", "remove", "refresh"]
    return known.collections() if words == ["remove"] else []


COMMAND = Command(
    help="keep lists of models: a team's file, or a collection on the hub",
    more="""Without arguments: the collections there are.

        {0}collections add team ~/team-models.txt
        {0}collections refresh
        {0}collections remove team""",
    arguments=arguments,
    run=run,
    lists=True,
    completes=completes,
)
