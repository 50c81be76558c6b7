"""The magics about models: `%wiz_search`, `%wiz_pull` and others of `commands/model_arguments.py`.

What they do is in `commands/model_commands.py`; here is how a notebook is asked and shown.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from wiz_kernel_ext.commands.model_commands import COMMANDS, chosen_from_table
from wiz_kernel_ext.commands.model_tables import choice_table
from wiz_kernel_ext.commands.service_tables import Table
from wiz_kernel_ext.errors import AmbiguousModel
from wiz_kernel_ext.notebook.follow import follow_work
from wiz_kernel_ext.notebook.magics.arguments import MODELS
from wiz_kernel_ext.notebook.magics.host import MagicHost
from wiz_kernel_ext.notebook.screen import Drawing
from wiz_kernel_ext.notebook.views.job import WorkView
from wiz_kernel_ext.notebook.views.tables import tables_drawing

if TYPE_CHECKING:
    from wiz_kernel_ext.client import Client, Operation


def run(host: MagicHost, command: str, line: str) -> None:
    """`%wiz_<command>`."""
    arguments = MODELS[command].parse_line(line)
    try:
        COMMANDS[command](NotebookAsker(host), arguments)
    except AmbiguousModel as error:
        raise shown(host, error) from None


class NotebookAsker:
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


def shown(host: MagicHost, error: AmbiguousModel) -> AmbiguousModel:
    """`error`, its choices being drawn as a table."""
    choices = error.details.get("choices") or []
    if not choices:
        return error
    host.screen.show(tables_drawing("", [choice_table(choices)]))
    return chosen_from_table(error)
