"""How a command of `commands/definitions/` is done in a notebook."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from wiz_kernel_ext.commands.command import Command, NothingToDo
from wiz_kernel_ext.commands.model_tables import choice_table, chosen_from_table
from wiz_kernel_ext.commands.service_tables import Table
from wiz_kernel_ext.errors import AmbiguousModel
from wiz_kernel_ext.notebook.follow import follow_work
from wiz_kernel_ext.notebook.magics.host import MagicHost, say
from wiz_kernel_ext.notebook.screen import Drawing
from wiz_kernel_ext.notebook.views.job import WorkView
from wiz_kernel_ext.notebook.views.tables import tables_drawing

if TYPE_CHECKING:
    from wiz_kernel_ext.client import Client, Operation
    from wiz_kernel_ext.protocol.results import SessionInfo

NO_SERVICE = "No service is running. It starts by itself with the first %wiz_load."


def run(host: MagicHost, command: Command, arguments: argparse.Namespace) -> None:
    """Do `command`. Where there is nothing to do it for, the cell says so and succeeds."""
    assert command.run is not None
    ui = NotebookUI(host)
    if not command.starts_service and not ui.client.running():
        say(host, NO_SERVICE)
        return
    try:
        command.run(ui, arguments)
    except NothingToDo as nothing:
        say(host, nothing.line)
    except AmbiguousModel as error:
        raise shown(host, error) from None


class NotebookUI:
    """The user of a notebook."""

    def __init__(self, host: MagicHost) -> None:
        self._host = host

    @property
    def client(self) -> Client:
        """The notebook's client."""
        return self._host.notebook.client

    def show(self, line: str, tables: Sequence[Table] = ()) -> None:
        """Draw it as one output."""
        self._host.screen.show(tables_drawing(line, tables) if tables else Drawing(plain=line))

    def confirm(self, question: str) -> bool | None:
        """Ask in the cell."""
        return self._host.notebook.confirm(question)

    def follow(self, operation: Operation, title: str) -> Any:
        """Draw a bar."""
        view = WorkView(self._host.screen, title, operation.id, time.monotonic)
        return follow_work(operation, view, self._host.notebook.leaving)

    def session(self) -> SessionInfo:
        """The notebook's conversation, or the one that `%config` names."""
        info, _ = self._host.notebook.open_session(self._host.session or None)
        return info

    def close(self) -> None:
        """Close the notebook's client; the next magic makes another."""
        self._host.notebook.close()


def shown(host: MagicHost, error: AmbiguousModel) -> AmbiguousModel:
    """`error`, its choices being drawn as a table."""
    choices = error.details.get("choices") or []
    if not choices:
        return error
    host.screen.show(tables_drawing("", [choice_table(choices)]))
    return chosen_from_table(error)
