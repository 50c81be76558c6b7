"""`attach`: show an operation from its beginning, and follow it to its end."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from wiz_kernel_ext.commands.command import (
    NOTEBOOK,
    Command,
    Face,
    KnownNames,
    Parser,
    UserInterface,
    add_operation,
)
from wiz_kernel_ext.errors import OperationNotFound

if TYPE_CHECKING:
    from wiz_kernel_ext.protocol.results import OperationInfo

LIMIT = 50


def arguments(parser: Parser, face: Face) -> None:
    """ID, and in a notebook a variable for the answer."""
    add_operation(parser, face)
    if face == "notebook":
        parser.add_argument("-o", metavar="NAME", help="keep the Answer in this variable")


def run(ui: UserInterface, arguments: argparse.Namespace) -> None:
    """Follow it; what it says is shown as it comes."""
    info = chosen(ui, arguments.id)
    ui.follow(ui.client.attach(info.id), info.title)


def chosen(ui: UserInterface, operation_id: str | None) -> OperationInfo:
    """The operation that is named, else the one that runs, else the last of the conversation."""
    from wiz_kernel_ext.protocol.results import TERMINAL_STATES

    if operation_id:
        return ui.client.operation(operation_id)
    session = ui.session()
    if session is None:
        found = work = ui.client.operations(LIMIT)
    else:
        found = ui.client.operations(LIMIT, session=session.id)
        # Work on models belongs to no session: what runs of it may be what this notebook began.
        work = [info for info in ui.client.operations(LIMIT) if info.kind != "prompt"]
    running = [info for info in [*found, *work] if info.state not in TERMINAL_STATES]
    if not running and not found:
        whose = "There is" if session is None else f"The session {session.name} has"
        raise OperationNotFound(f"{whose} no operation yet.")
    return (running or found)[0]


def completes(words: list[str], known: KnownNames) -> list[str]:
    """Any operation."""
    return [] if words else known.operations(running=False)


COMMAND = Command(
    help="show an operation from its beginning, and follow it to its end",
    more="Without an ID: one that runs, else the last. Interrupting cancels it.",
    notebook_help="""Without an ID, the one of this notebook's session that runs comes first, then a
    download or conversion that does, then the last of the session. So after a kernel restart, this
    shows the answer, or the download, that went on without the kernel.""",
    arguments=arguments,
    run=run,
    own_file=NOTEBOOK,  # an answer is drawn as Markdown, and kept in `_`
    completes=completes,
)
