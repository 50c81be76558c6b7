"""`jupyter wiz count`: how many tokens a text is, as a number on standard output."""

from __future__ import annotations

import argparse

from wiz_kernel_ext.cli.prompt import read_text
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.local_paths import located


def run(arguments: argparse.Namespace) -> int:
    """Count TEXT for the model that is loaded."""
    text = read_text(arguments.text, "count")
    client = Client(start=False)
    try:
        model = located(arguments.model) if arguments.model else None
        print(client.count(text, model_path=model))
    finally:
        client.close()
    return 0
