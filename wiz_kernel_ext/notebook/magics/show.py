"""`%%wiz_show` and `%wiz_show`: what the model would read."""

from __future__ import annotations

import argparse

from wiz_kernel_ext.commands.flags import given, prompt_flags
from wiz_kernel_ext.commands.prompt_views import shown_line
from wiz_kernel_ext.notebook.current_notebook import checked_variable
from wiz_kernel_ext.notebook.defaults import OVERFLOW, SAMPLING
from wiz_kernel_ext.notebook.magics.host import MagicHost, say
from wiz_kernel_ext.notebook.screen import Drawing
from wiz_kernel_ext.protocol.prompt_views import ShownPrompt
from wiz_kernel_ext.remedies import worded


def run(host: MagicHost, arguments: argparse.Namespace, text: str) -> ShownPrompt:
    """`%wiz_show TEXT`, or `%%wiz_show` with the text in the cell's body."""
    variable = checked_variable(arguments.o)
    name = host.session or None if arguments.session is None else arguments.session
    session, _ = host.notebook.open_session(name)
    longest = SAMPLING["max_tokens"]
    shown: ShownPrompt = host.notebook.client.show(
        text,
        session=session.id,
        **host.over({"max_tokens": longest}, given(arguments, [longest])),
        **host.over(OVERFLOW, given(arguments, prompt_flags().values())),
    )
    say(host, shown.text)
    host.screen.show(Drawing.small(worded(shown_line(shown))))
    host.notebook.keep(variable, shown)
    return shown
