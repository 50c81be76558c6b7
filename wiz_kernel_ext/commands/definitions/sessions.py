"""`sessions`: list, show, rename and delete conversations."""

from __future__ import annotations

import argparse
import time
from typing import Any

from wiz_kernel_ext.commands.command import Command, Face, KnownNames, Parser, UserInterface
from wiz_kernel_ext.errors import BadRequest


def arguments(parser: Parser, face: Face) -> None:
    """What to do with which conversation."""
    parser.add_argument(
        "words", nargs="*", metavar="ACTION", help="show NAME, rename NAME NEW, or delete NAME …"
    )
    parser.add_argument("--yes", action="store_true", help="delete without asking")


def run(ui: UserInterface, arguments: argparse.Namespace) -> Any:
    """List, show, rename or delete."""
    from wiz_kernel_ext.commands.service_tables import session_table
    from wiz_kernel_ext.protocol.codec import build
    from wiz_kernel_ext.protocol.requests import RenameSession

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
        case ["rename", name, new]:
            renamed = ui.client.request(build(RenameSession, {"session": name, "name": new}))
            ui.show(f"{name} is called {renamed.name} now; the old name still finds it.")
            return renamed
        case ["delete", name, *more]:
            return _delete(ui, [name, *more], agreed=arguments.yes)
        case words:
            raise BadRequest(
                f"{' '.join(words)!r} is nothing to do with sessions.",
                hint="show NAME, rename NAME NEW, delete NAME, or nothing to list them.",
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
    return known.sessions() if words else ["show", "rename", "delete"]


COMMAND = Command(
    help="list, show, rename and delete conversations",
    more="""Without arguments: the conversations there are, latest used first.

        {0}sessions show notes
        {0}sessions rename notes thesis
        {0}sessions delete notes --yes""",
    arguments=arguments,
    run=run,
    lists=True,
    starts_service=False,
    completes=completes,
)
