"""`%wiz_attach`: an operation drawn again, as it would have been where it was begun."""

from __future__ import annotations

import argparse
import time
from typing import Any

from wiz_kernel_ext.commands.definitions.attach import chosen
from wiz_kernel_ext.notebook.current_notebook import checked_variable
from wiz_kernel_ext.notebook.follow import drawn, follow
from wiz_kernel_ext.notebook.magics.host import MagicHost
from wiz_kernel_ext.notebook.magics.notebook_ui import NotebookUI
from wiz_kernel_ext.notebook.magics.prompt import answer_view
from wiz_kernel_ext.notebook.views.load import LoadView
from wiz_kernel_ext.protocol.results import LOAD_KINDS


def run(host: MagicHost, arguments: argparse.Namespace) -> Any:
    """`%wiz_attach [ID]`."""
    variable = checked_variable(arguments.o)
    ui = NotebookUI(host)
    info = chosen(ui, arguments.id)
    operation = ui.client.attach(info.id)
    if info.kind == "prompt":
        about = f"session {info.session}" if info.session else ""
        view = answer_view(host, about, info.id)
        return follow(
            operation,
            view,
            lambda answer: host.notebook.keep(variable, answer),
            host.notebook.leaving,
        )
    if info.kind not in LOAD_KINDS:
        ui.follow(operation, info.title)
        return None
    bar = LoadView(host.screen, info.title, time.monotonic)
    bar.begin()
    drawn(operation, bar, host.notebook.leaving)
    bar.say("done")
    return None
