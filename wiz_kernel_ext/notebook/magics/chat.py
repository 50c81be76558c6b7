"""`%wiz_chat`: the chat panel; in a terminal, the conversation as text."""

from __future__ import annotations

import argparse

from wiz_kernel_ext.commands.flags import given
from wiz_kernel_ext.notebook.defaults import SAMPLING
from wiz_kernel_ext.notebook.magics.host import MagicHost, say
from wiz_kernel_ext.notebook.widgets import Chat
from wiz_kernel_ext.notebook.widgets.panel import show_panel


def run(host: MagicHost, arguments: argparse.Namespace) -> None:
    """`%wiz_chat [options]`."""
    name = host.session or None if arguments.session is None else arguments.session
    options = host.over(SAMPLING, given(arguments, SAMPLING.values()))
    show_panel(host.screen, Chat(name, **options))
    if not host.screen.rich:
        say(host, "Ask with %wiz_prompt: a panel needs a notebook in a browser.")
