"""What a magic is given: the notebook, the defaults and the screen, as one protocol.

Tests pass their own; `WizMagics` is the real one.
"""

from __future__ import annotations

from typing import Any, Protocol

from wiz_kernel_ext.commands.flags import Flag
from wiz_kernel_ext.notebook.current_notebook import Notebook
from wiz_kernel_ext.notebook.screen import Drawing, Screen


class MagicHost(Protocol):
    """The shared part of every magic."""

    model: str
    session: str

    @property
    def notebook(self) -> Notebook:
        """This kernel as the service knows it."""

    @property
    def screen(self) -> Screen:
        """Where the running cell's output goes."""

    def over(self, group: dict[str, Flag], given: dict[str, Any]) -> dict[str, Any]:
        """`given`, with what is configured where something was not."""


def say(host: MagicHost, text: str) -> None:
    """Draw a line of text."""
    host.screen.show(Drawing(plain=text))
