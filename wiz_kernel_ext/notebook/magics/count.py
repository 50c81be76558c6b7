"""`%%wiz_count` and `%wiz_count`: how many tokens a text is."""

from __future__ import annotations

import argparse

from wiz_kernel_ext.commands.prompt_views import length
from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.local_paths import located
from wiz_kernel_ext.notebook.magics.host import MagicHost, say


def run(host: MagicHost, arguments: argparse.Namespace, text: str) -> int:
    """`%wiz_count TEXT`, or `%%wiz_count` with the text in the cell's body."""
    if not text:
        raise BadRequest("There is no text to count.", hint="%wiz_count TEXT", field="text")
    model = located(arguments.model) if arguments.model else None
    n_tokens: int = host.notebook.client.count(text, model_path=model)
    say(host, length(n_tokens))
    host.notebook.keep(None, n_tokens)
    return n_tokens
