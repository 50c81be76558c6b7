"""`%wiz_status`: what is loaded, running and kept, and whose this notebook's session is."""

from __future__ import annotations

import time

from wiz_kernel_ext.cli.report import service_line, status_tables
from wiz_kernel_ext.notebook.magics.desk import NO_SERVICE, Desk, say
from wiz_kernel_ext.notebook.magics.lines import STATUS
from wiz_kernel_ext.notebook.views.tables import tables_drawing


def run(desk: Desk, line: str) -> None:
    """`%wiz_status [--panel]`; starts no service."""
    if STATUS.parse_line(line).panel:
        _show_panel(desk)
        return
    client = desk.notebook.client
    if not client.running():
        say(desk, NO_SERVICE)
        return
    status = client.status()
    desk.screen.show(tables_drawing(service_line(status), status_tables(status, time.time())))


def _show_panel(desk: Desk) -> None:
    from wiz_kernel_ext.notebook.widgets import Status
    from wiz_kernel_ext.notebook.widgets.panel import show_panel

    show_panel(desk.screen, Status())
