"""`pull`: download a model."""

from __future__ import annotations

import argparse

from wiz_kernel_ext.commands.command import (
    Command,
    Face,
    Parser,
    UserInterface,
    add_model,
    model_completion,
)
from wiz_kernel_ext.commands.flags import add_flags, bytes_per_s, flags, given
from wiz_kernel_ext.protocol.hub_requests import PullModel

FLAGS = flags(PullModel, {"update": "update"})


def arguments(parser: Parser, face: Face) -> None:
    """MODEL and how to fetch it."""
    add_model(parser, "user/repo, user/repo:QUANT, user/repo/file.gguf, or a web address")
    add_flags(parser, FLAGS.values())
    parser.add_argument(
        "--limit-rate", type=_rate, metavar="RATE", help="the most per second, like 5MB"
    )


def run(ui: UserInterface, arguments: argparse.Namespace) -> str:
    """Download it; returns its path."""
    from wiz_kernel_ext.local_paths import located
    from wiz_kernel_ext.protocol.codec import build

    values = {
        "model": located(arguments.model),
        "limit_bytes_per_s": arguments.limit_rate,
        **given(arguments, FLAGS.values()),
    }
    path: str = ui.follow(ui.client.start(build(PullModel, values)), arguments.model)
    return path


def _rate(text: str) -> float:
    try:
        return bytes_per_s(text)
    except ValueError:
        what = f"takes bytes per second like 500KB or 5MB, not {text!r}"
        raise argparse.ArgumentTypeError(what) from None


COMMAND = Command(
    help="download a model",
    more="""It lands in the standard Hugging Face cache, verified. The download is the service's:
    it goes on when the kernel restarts, and where it stopped when it was cut off.

        {0}pull Qwen/Qwen2.5-1.5B-Instruct-GGUF:Q4_K_M""",
    arguments=arguments,
    run=run,
    completes=model_completion,
)
