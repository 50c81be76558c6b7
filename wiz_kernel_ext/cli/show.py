"""`jupyter wiz show`: what the model would read on standard output, how long it is beside it."""

from __future__ import annotations

import argparse
import sys

from wiz_kernel_ext.cli.prompt import read_text
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.commands.flags import given, prompt_flags, sampling_flags
from wiz_kernel_ext.commands.prompt_views import shown_line
from wiz_kernel_ext.local_paths import located
from wiz_kernel_ext.protocol.messages import ChatMessage
from wiz_kernel_ext.remedies import worded


def run(arguments: argparse.Namespace) -> int:
    """Show TEXT as the next prompt of --session, else of none."""
    text = read_text(arguments.text, "show")
    system = [ChatMessage(role="system", content=arguments.system)] if arguments.system else []
    client = Client(start=False)
    try:
        shown = client.show(
            text,
            session=arguments.session,
            messages=None if arguments.session else system,
            model_path=located(arguments.model) if arguments.model else None,
            **given(arguments, [sampling_flags()["max_tokens"], *prompt_flags().values()]),
        )
    finally:
        client.close()
    print(*shown.tokens) if arguments.tokens else print(shown.text)
    print(f"[{worded(shown_line(shown))}]", file=sys.stderr)
    return 0
