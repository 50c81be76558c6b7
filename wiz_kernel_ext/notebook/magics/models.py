"""The magics about models: `%wiz_search`, `%wiz_pull` and the others of `cli/model_lines.py`.

What they do is in `cli/model_commands.py`; here is how a notebook is asked and shown.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from wiz_kernel_ext.cli.model_commands import COMMANDS, chosen_from_table
from wiz_kernel_ext.cli.model_report import choice_table
from wiz_kernel_ext.cli.report import Table
from wiz_kernel_ext.errors import AmbiguousModel
from wiz_kernel_ext.notebook.follow import follow_work
from wiz_kernel_ext.notebook.magics.desk import Desk
from wiz_kernel_ext.notebook.magics.lines import MODELS
from wiz_kernel_ext.notebook.screen import Drawing
from wiz_kernel_ext.notebook.views.tables import tables_drawing
from wiz_kernel_ext.notebook.views.work import WorkView

if TYPE_CHECKING:
    from wiz_kernel_ext.client import Client, Operation


def run(desk: Desk, command: str, line: str) -> None:
    """`%wiz_<command>`."""
    arguments = MODELS[command].parse_line(line)
    try:
        COMMANDS[command](DeskAsker(desk), arguments)
    except AmbiguousModel as error:
        raise shown(desk, error) from None


class DeskAsker:
    """The user of a notebook."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @property
    def client(self) -> Client:
        """The notebook's client."""
        return self._desk.notebook.client

    def show(self, line: str, tables: Sequence[Table] = ()) -> None:
        """Draw it as one output."""
        self._desk.screen.show(tables_drawing(line, tables) if tables else Drawing(plain=line))

    def confirm(self, question: str) -> bool | None:
        """Ask in the cell."""
        return self._desk.notebook.confirm(question)

    def follow(self, operation: Operation, title: str) -> Any:
        """Draw a bar."""
        view = WorkView(self._desk.screen, title, operation.id, time.monotonic)
        return follow_work(operation, view, self._desk.notebook.leaving)


def shown(desk: Desk, error: AmbiguousModel) -> AmbiguousModel:
    """`error`, its choices being drawn as a table."""
    choices = error.details.get("choices") or []
    if not choices:
        return error
    desk.screen.show(tables_drawing("", [choice_table(choices)]))
    return chosen_from_table(error)
