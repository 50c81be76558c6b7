"""The magics by name: each line goes to the file that knows what to do.

`WizMagics` holds what they share, the notebook and the defaults of `%config WizMagics`. A magic's
own file is read when it is first used: `%load_ext` should not be felt.
"""

from __future__ import annotations

import atexit
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

from IPython.core.magic import line_cell_magic, line_magic, magics_class, no_var_expand

from wiz_kernel_ext.notebook.defaults import Defaults
from wiz_kernel_ext.notebook.magic_parser import takes
from wiz_kernel_ext.notebook.magics import arguments as lines

if TYPE_CHECKING:
    from wiz_kernel_ext.client import Client
    from wiz_kernel_ext.notebook.current_notebook import Notebook
    from wiz_kernel_ext.notebook.screen import Screen


def _connect() -> Client:
    from wiz_kernel_ext.client import Client

    return Client()


def _file(name: str) -> Any:
    return import_module(f"{__name__}.{name}")


@magics_class
class WizMagics(Defaults):
    """The magics of wiz_kernel_ext."""

    @cached_property
    def notebook(self) -> Notebook:
        """This kernel as the service knows it."""
        from wiz_kernel_ext.notebook.current_notebook import Notebook

        shell: Any = self.shell
        notebook = Notebook(shell, _connect)
        atexit.register(notebook.close)
        return notebook

    @property
    def screen(self) -> Screen:
        """Where the running cell's output goes."""
        from wiz_kernel_ext.notebook.screen import screen_of

        return screen_of(self.notebook.shell, self.output)

    def close(self) -> None:
        """Let go of the service, if it was ever asked."""
        if "notebook" in vars(self):
            self.notebook.close()
            atexit.unregister(self.notebook.close)

    @line_magic
    @takes(lines.LOAD)
    def wiz_load(self, line: str) -> None:
        _file("load").run(self, line)

    @no_var_expand
    @line_cell_magic
    @takes(lines.PROMPT)
    def wiz_prompt(self, line: str, cell: str | None = None) -> Any:
        return _file("prompt").run(self, line, cell)

    @line_magic
    @takes(lines.CHAT)
    def wiz_chat(self, line: str) -> None:
        _file("chat").run(self, line)

    @line_magic
    @takes(lines.DOWNLOAD)
    def wiz_download(self, line: str) -> None:
        _file("download").run(self, line)

    @line_magic
    @takes(lines.STATUS)
    def wiz_status(self, line: str) -> None:
        _file("status").run(self, line)

    @line_magic
    @takes(lines.DOCTOR)
    def wiz_doctor(self, line: str) -> None:
        _file("doctor").run(self, line)

    @line_magic
    @takes(lines.OPS)
    def wiz_ops(self, line: str) -> None:
        _file("operations").show(self, line)

    @line_magic
    @takes(lines.ATTACH)
    def wiz_attach(self, line: str) -> Any:
        return _file("operations").attach(self, line)

    @line_magic
    @takes(lines.CANCEL)
    def wiz_cancel(self, line: str) -> None:
        _file("operations").cancel(self, line)

    @line_magic
    @takes(lines.MODELS["search"])
    def wiz_search(self, line: str) -> None:
        _file("models").run(self, "search", line)

    @line_magic
    @takes(lines.MODELS["pull"])
    def wiz_pull(self, line: str) -> None:
        _file("models").run(self, "pull", line)

    @line_magic
    @takes(lines.MODELS["models"])
    def wiz_models(self, line: str) -> None:
        _file("models").run(self, "models", line)

    @line_magic
    @takes(lines.MODELS["rm"])
    def wiz_rm(self, line: str) -> None:
        _file("models").run(self, "rm", line)

    @line_magic
    @takes(lines.MODELS["convert"])
    def wiz_convert(self, line: str) -> None:
        _file("models").run(self, "convert", line)

    @line_magic
    @takes(lines.MODELS["quantize"])
    def wiz_quantize(self, line: str) -> None:
        _file("models").run(self, "quantize", line)

    @line_magic
    @takes(lines.MODELS["verify"])
    def wiz_verify(self, line: str) -> None:
        _file("models").run(self, "verify", line)

    @line_magic
    @takes(lines.MODELS["inspect"])
    def wiz_inspect(self, line: str) -> None:
        _file("models").run(self, "inspect", line)

    @line_magic
    @takes(lines.MODELS["alias"])
    def wiz_alias(self, line: str) -> None:
        _file("models").run(self, "alias", line)

    @line_magic
    @takes(lines.MODELS["collections"])
    def wiz_collections(self, line: str) -> None:
        _file("models").run(self, "collections", line)

    @line_magic
    @takes(lines.UNLOAD)
    def wiz_unload(self, line: str) -> None:
        _file("lifetime").unload(self, line)

    @line_magic
    @takes(lines.STOP)
    def wiz_stop(self, line: str) -> None:
        _file("lifetime").stop(self, line)
