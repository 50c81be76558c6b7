"""`%wiz_status`: as a table, or as a panel that stays up to date."""

from __future__ import annotations

import argparse

from wiz_kernel_ext.commands.definitions.status import COMMAND
from wiz_kernel_ext.notebook.magics import notebook_ui
from wiz_kernel_ext.notebook.magics.host import MagicHost


def run(host: MagicHost, arguments: argparse.Namespace) -> None:
    """`%wiz_status [--panel]`; the table starts no service."""
    if not arguments.panel:
        notebook_ui.run(host, COMMAND, arguments)
        return
    from wiz_kernel_ext.notebook.widgets import Status
    from wiz_kernel_ext.notebook.widgets.panel import show_panel

    show_panel(host.screen, Status())
