"""`convert`: a GGUF of a safetensors checkpoint, or of an adapter to one."""

from __future__ import annotations

import argparse

from wiz_kernel_ext.commands.command import Command, Face, Parser, UserInterface
from wiz_kernel_ext.commands.flags import add_flags, flags, given
from wiz_kernel_ext.protocol.hub_requests import ConvertModel

FLAGS = flags(
    ConvertModel,
    {
        "out_type": "type",
        "output": "output",
        "base": "base",
        "llama_cpp": "llama-cpp",
        "overwrite": "overwrite",
    },
)
OUT_TYPE = FLAGS["out_type"]


def arguments(parser: Parser, face: Face) -> None:
    """SOURCE and what to make of it."""
    parser.add_argument("source", metavar="SOURCE", help="user/repo, or a folder")
    add_flags(parser, FLAGS.values())


def run(ui: UserInterface, arguments: argparse.Namespace) -> str:
    """Make it; returns its path."""
    from wiz_kernel_ext.local_paths import located_source, with_absolute_paths
    from wiz_kernel_ext.protocol.codec import build

    values = {"source": located_source(arguments.source), **given(arguments, FLAGS.values())}
    request = build(ConvertModel, with_absolute_paths(values))
    path: str = ui.follow(ui.client.start(request), arguments.source)
    return path


COMMAND = Command(
    help="make a GGUF of a safetensors checkpoint",
    more="""SOURCE is fetched first where it is a repository. A plain name for --output is put into
    the models directory. --llama-cpp names a llama.cpp checkout whose converter does it. The folder
    of a PEFT adapter (LoRA) becomes a GGUF for --adapter.

        {0}convert Qwen/Qwen2.5-0.5B-Instruct --type q8_0
        {0}convert ./my-lora --base models/base.gguf""",
    arguments=arguments,
    run=run,
)
