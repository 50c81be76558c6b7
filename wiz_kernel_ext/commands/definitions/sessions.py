"""`sessions`: list, show and delete conversations."""

from __future__ import annotations

import argparse
import time
from typing import Any

from wiz_kernel_ext.commands.command import Command, Face, KnownNames, Parser, UserInterface
from wiz_kernel_ext.errors import BadRequest


def arguments(parser: Parser, face: Face) -> None:
    """What to do with which conversation."""
    parser.add_argument("words", nargs="*", metavar="ACTION", help="show NAME, or delete NAME …")
    parser.add_argument("--yes", action="store_true", help="delete without asking")


def run(ui: UserInterface, arguments: argparse.Namespace) -> Any:
    """List, show or delete."""
    from wiz_kernel_ext.commands.service_tables import session_table

    match arguments.words:
        case []:
            found = ui.client.sessions()
            ui.show("", [session_table(found, time.time())])
            return found
        case ["show", name]:
            detail = ui.client.session(name)
            texts = [f"{message.role}: {message.content}" for message in detail.messages]
            ui.show("\n\n".join(texts) or f"{name} has no message yet.")
            return detail
        case ["delete", name, *more]:
            return _delete(ui, [name, *more], agreed=arguments.yes)
        case words:
            raise BadRequest(
                f"{' '.join(words)!r} is nothing to do with sessions.",
                hint="show NAME, delete NAME, or nothing to list them.",
                field="words",
            )


def _delete(ui: UserInterface, names: list[str], *, agreed: bool) -> Any:
    found = [ui.client.session(name).info for name in names]  # all are there, or none is deleted
    said = ", ".join(f"{info.name} ({info.n_messages} messages)" for info in found)
    if not agreed:
        answer = ui.confirm(f"Delete {said}? [y/N] ")
        if answer is None:
            raise BadRequest(
                "Nothing is deleted: nobody can be asked here.",
                hint="--yes deletes without asking.",
                field="--yes",
            )
        if not answer:
            ui.show("Nothing was deleted.")
            return []
    deleted = [ui.client.delete_session(info.id) for info in found]
    ui.show(f"Deleted: {said}")
    return deleted


def completes(words: list[str], known: KnownNames) -> list[str]:
    """What to do, then conversations."""
    return known.sessions() if words else ["show", "delete"]


COMMAND = Command(
    help="list, show and delete conversations",
    more="""Without arguments: the conversations there are, latest used first.

        {0}sessions show notes
        {0}sessions delete notes --yes""",
    arguments=arguments,
    run=run,
    lists=True,
    starts_service=False,
    completes=completes,
)
