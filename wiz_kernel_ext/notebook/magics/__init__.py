"""The magics by name: each line goes to the file that knows it.

`WizMagics` holds what they share, the notebook and the defaults of `%config WizMagics`.
"""

from __future__ import annotations

import atexit
from typing import TYPE_CHECKING, Any

from IPython.core.magic import line_cell_magic, line_magic, magics_class, no_var_expand

from wiz_kernel_ext.notebook.arguments import takes
from wiz_kernel_ext.notebook.current import Notebook
from wiz_kernel_ext.notebook.defaults import Defaults
from wiz_kernel_ext.notebook.magics import lifetime, load, operations, prompt, status
from wiz_kernel_ext.notebook.screen import Screen, screen_of

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from wiz_kernel_ext.client import Client


def _connect() -> Client:
    from wiz_kernel_ext.client import Client

    return Client()


@magics_class
class WizMagics(Defaults):
    """The magics of wiz_kernel_ext."""

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)
        self.notebook = Notebook(shell, _connect)
        atexit.register(self.notebook.close)

    @property
    def screen(self) -> Screen:
        """Where the running cell's output goes."""
        return screen_of(self.notebook.shell, self.output)

    @line_magic
    @takes(load.PARSER)
    def wiz_load(self, line: str) -> None:
        load.run(self, line)

    @no_var_expand
    @line_cell_magic
    @takes(prompt.PARSER)
    def wiz_prompt(self, line: str, cell: str | None = None) -> Any:
        return prompt.run(self, line, cell)

    @line_magic
    @takes(status.PARSER)
    def wiz_status(self, line: str) -> None:
        status.run(self, line)

    @line_magic
    @takes(operations.OPS)
    def wiz_ops(self, line: str) -> None:
        operations.show(self, line)

    @line_magic
    @takes(operations.ATTACH)
    def wiz_attach(self, line: str) -> Any:
        return operations.attach(self, line)

    @line_magic
    @takes(operations.CANCEL)
    def wiz_cancel(self, line: str) -> None:
        operations.cancel(self, line)

    @line_magic
    @takes(lifetime.UNLOAD)
    def wiz_unload(self, line: str) -> None:
        lifetime.unload(self, line)

    @line_magic
    @takes(lifetime.STOP)
    def wiz_stop(self, line: str) -> None:
        lifetime.stop(self, line)
