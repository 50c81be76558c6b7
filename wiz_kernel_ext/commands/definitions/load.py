"""`load`: load a model, or share it; done in `notebook/magics/load.py`.

A terminal has it once `faces` says so: with a `run` here, or in `cli/load.py`.
"""

from __future__ import annotations

from wiz_kernel_ext.commands.command import NOTEBOOK, Command, Face, KnownNames, Parser
from wiz_kernel_ext.commands.definitions.convert import OUT_TYPE
from wiz_kernel_ext.commands.flags import add_flags, context_flags, model_flags


def arguments(parser: Parser, face: Face) -> None:
    """MODEL, and how to load it."""
    parser.add_argument(
        "model",
        nargs="?",
        metavar="MODEL",
        help="a .gguf file, demo, an alias, or a name on the hub",
    )
    parser.add_argument(
        "--convert",
        nargs="?",
        const="bf16",
        type=OUT_TYPE.read,
        metavar="TYPE",
        help="make a GGUF of a safetensors checkpoint first (bf16)",
    )
    parser.add_argument(
        "--reload", action="store_true", help="load it anew where it is loaded with other options"
    )
    add_flags(parser, {**context_flags(), **model_flags()}.values())


def completes(words: list[str], known: KnownNames) -> list[str]:
    """Models on this machine."""
    return sorted({"demo", *known.model_files(), *known.library()})


COMMAND = Command(
    help="load a GGUF model into a process of its own, or share it where it is loaded",
    more="""A model of the hub that is not on this machine is downloaded first.

        {0}load demo
        {0}load models/mine.gguf --ctx 8k --threads 4 --keep-alive 2h
        {0}load Qwen/Qwen2.5-1.5B-Instruct-GGUF:Q4_K_M
        {0}load Qwen/Qwen2.5-0.5B-Instruct --convert q8_0""",
    notebook_help="""It stays there when this kernel restarts. Prompts then go to it, in this
    notebook's session.

    Defaults: %config WizMagics.context_size = 8192""",
    notebook_usage="%(prog)s [MODEL] [options]",
    faces=NOTEBOOK,
    arguments=arguments,
    own_file=NOTEBOOK,
    completes=completes,
)
