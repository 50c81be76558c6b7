"""`%wiz_download`: the downloader panel; in a terminal, what is here and how to fetch more."""

from __future__ import annotations

import argparse

from wiz_kernel_ext.notebook.magics.host import MagicHost, say
from wiz_kernel_ext.notebook.widgets import Downloader
from wiz_kernel_ext.notebook.widgets.panel import show_panel


def run(host: MagicHost, arguments: argparse.Namespace) -> None:
    """`%wiz_download`."""
    show_panel(host.screen, Downloader())
    if not host.screen.rich:
        say(host, "Search with %wiz_search and fetch with %wiz_pull: a panel needs a browser.")
