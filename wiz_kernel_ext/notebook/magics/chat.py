"""`%wiz_chat`: the chat panel; in a terminal, the conversation as text."""

from __future__ import annotations

from wiz_kernel_ext.cli.flags import given
from wiz_kernel_ext.notebook.defaults import SAMPLING
from wiz_kernel_ext.notebook.magics.desk import Desk, say
from wiz_kernel_ext.notebook.magics.lines import CHAT
from wiz_kernel_ext.notebook.widgets import Chat
from wiz_kernel_ext.notebook.widgets.panel import show_panel


def run(desk: Desk, line: str) -> None:
    """`%wiz_chat [options]`."""
    arguments = CHAT.parse_line(line)
    name = desk.session or None if arguments.session is None else arguments.session
    options = desk.over(SAMPLING, given(arguments, SAMPLING.values()))
    show_panel(desk.screen, Chat(name, **options))
    if not desk.screen.rich:
        say(desk, "Ask with %wiz_prompt: a panel needs a notebook in a browser.")
