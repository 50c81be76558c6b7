"""`%wiz_download`: the downloader panel; in a terminal, what is here and how to fetch more."""

from __future__ import annotations

from wiz_kernel_ext.notebook.magics.desk import Desk, say
from wiz_kernel_ext.notebook.magics.lines import DOWNLOAD
from wiz_kernel_ext.notebook.widgets import Downloader
from wiz_kernel_ext.notebook.widgets.panel import show_panel


def run(desk: Desk, line: str) -> None:
    """`%wiz_download`."""
    DOWNLOAD.parse_line(line)
    show_panel(desk.screen, Downloader())
    if not desk.screen.rich:
        say(desk, "Search with %wiz_search and fetch with %wiz_pull: a panel needs a browser.")
