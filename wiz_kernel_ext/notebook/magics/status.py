"""`%wiz_status`: what is loaded, running and kept, and whose this notebook's session is."""

from __future__ import annotations

import time

from wiz_kernel_ext.commands.service_tables import service_line, status_tables
from wiz_kernel_ext.notebook.magics.arguments import STATUS
from wiz_kernel_ext.notebook.magics.host import NO_SERVICE, MagicHost, say
from wiz_kernel_ext.notebook.views.tables import tables_drawing


def run(host: MagicHost, line: str) -> None:
    """`%wiz_status [--panel]`; starts no service."""
    if STATUS.parse_line(line).panel:
        _show_panel(host)
        return
    client = host.notebook.client
    if not client.running():
        say(host, NO_SERVICE)
        return
    status = client.status()
    host.screen.show(tables_drawing(service_line(status), status_tables(status, time.time())))


def _show_panel(host: MagicHost) -> None:
    from wiz_kernel_ext.notebook.widgets import Status
    from wiz_kernel_ext.notebook.widgets.panel import show_panel

    show_panel(host.screen, Status())
