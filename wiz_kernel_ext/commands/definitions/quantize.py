"""`quantize`: a smaller GGUF of a large one."""

from __future__ import annotations

import argparse

from wiz_kernel_ext.commands.command import (
    Command,
    Face,
    KnownNames,
    Parser,
    UserInterface,
    add_model,
    model_completion,
)
from wiz_kernel_ext.commands.flags import add_flags, flags, given
from wiz_kernel_ext.protocol.hub_requests import QuantizeModel

FLAGS = flags(QuantizeModel, {"output": "output", "overwrite": "overwrite"})


def arguments(parser: Parser, face: Face) -> None:
    """MODEL and the QUANT to make of it."""
    add_model(parser)
    parser.add_argument("quant", metavar="QUANT", help="Q8_0, Q6_K, Q5_K_M, Q4_K_M, Q4_0, IQ4_XS …")
    add_flags(parser, FLAGS.values())


def run(ui: UserInterface, arguments: argparse.Namespace) -> str:
    """Make it; returns its path."""
    from wiz_kernel_ext.local_paths import located, with_absolute_paths
    from wiz_kernel_ext.protocol.codec import build

    values = {
        "model": located(arguments.model),
        "quant": arguments.quant,
        **given(arguments, FLAGS.values()),
    }
    operation = ui.client.start(build(QuantizeModel, with_absolute_paths(values)))
    path: str = ui.follow(operation, f"{arguments.model} → {arguments.quant.upper()}")
    return path


def completes(words: list[str], known: KnownNames) -> list[str]:
    """A model, then what to make of it."""
    return known.quants() if words else model_completion(words, known)


COMMAND = Command(
    help="make a smaller GGUF of a large one",
    more="""A plain name for --output is put into the models directory.

        {0}quantize Qwen2.5-0.5B-Instruct-BF16.gguf Q4_K_M""",
    arguments=arguments,
    run=run,
    completes=completes,
)
