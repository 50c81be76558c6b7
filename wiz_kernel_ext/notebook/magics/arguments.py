"""What the line of each magic takes; its help is what `%name?` shows.

Apart from what the magics do, so that `%load_ext` reads this and no more.
"""

from __future__ import annotations

from wiz_kernel_ext.commands.flags import add_flags, flags
from wiz_kernel_ext.commands.model_arguments import LINES, convert_flag
from wiz_kernel_ext.notebook.defaults import CONTEXT, MODEL, SAMPLING
from wiz_kernel_ext.notebook.magic_parser import MagicParser
from wiz_kernel_ext.protocol.requests import ListOperations

LOAD = MagicParser(
    "wiz_load",
    """Load a GGUF model into a process of its own, or share it where it is loaded.

    It stays there when this kernel restarts. Prompts then go to it, in this notebook's session. A
    model of the hub that is not on this machine is downloaded first.

        %wiz_load demo
        %wiz_load models/mine.gguf --ctx 8192 --threads 4 --keep-alive 2h
        %wiz_load Qwen/Qwen2.5-1.5B-Instruct-GGUF:Q4_K_M
        %wiz_load Qwen/Qwen2.5-0.5B-Instruct --convert q8_0

    Defaults: %config WizMagics.context_size = 8192""",
    usage="%(prog)s [MODEL] [options]",
)
LOAD.add_argument(
    "model", nargs="?", metavar="MODEL", help="a .gguf file, demo, an alias, or a name on the hub"
)
convert_flag(LOAD)
LOAD.add_argument(
    "--reload", action="store_true", help="load it anew where it is loaded with other options"
)
add_flags(LOAD, {**CONTEXT, **MODEL}.values())

PROMPT = MagicParser(
    "wiz_prompt",
    """Ask the model; the answer is drawn as it comes, and is then in `_`.

        %wiz_prompt What is a kernel? --max-tokens 50
        %%wiz_prompt -o answer --temperature 0
        any text, sent exactly as it stands here

    On the line, options stand before or after the text; -- ends them. Neither $x nor {x} is
    expanded: prompts are full of braces. A cell goes on with the conversation of this notebook,
    also after a kernel restart; --new begins another. Interrupt the kernel to stop an answer: what
    there is of it is kept.

    Defaults: %config WizMagics.temperature = 0.2""",
    usage="%(prog)s [options] TEXT\n\n  %%%%%(prog)s [options]\n  TEXT, on any number of lines",
)
PROMPT.add_argument("-o", metavar="NAME", help="keep the Answer in this variable")
PROMPT.add_argument("--session", metavar="NAME", help="talk in this session instead")
PROMPT.add_argument("--new", action="store_true", help="begin a new conversation")
PROMPT.add_argument("--system", metavar="TEXT", help="set the session's system prompt")
PROMPT.add_argument(
    "--background",
    action="store_true",
    help="return at once; the answer is drawn here while other cells run, "
    "and -o keeps the operation: NAME.result() waits for the Answer",
)
add_flags(PROMPT.add_argument_group("sampling"), SAMPLING.values())

CHAT = MagicParser(
    "wiz_chat",
    """Chat with the model in a panel: in this notebook's conversation, shared with %%wiz_prompt.

    Closing it, or restarting the kernel, ends nothing: run the cell again and it goes on.""",
)
CHAT.add_argument("--session", metavar="NAME", help="talk in this session instead")
add_flags(CHAT.add_argument_group("sampling"), SAMPLING.values())

DOWNLOAD = MagicParser(
    "wiz_download",
    """Find, download and keep models in a panel; in a terminal, list those that are here.

    A download belongs to the service: closing the panel, or a kernel restart, ends nothing.""",
)

STATUS = MagicParser("wiz_status", "Show the service, its models, operations and sessions.")
STATUS.add_argument(
    "--panel", action="store_true", help="as a panel that stays up to date, with buttons"
)

DOCTOR = MagicParser(
    "wiz_doctor",
    """Try whether the engine, llama.cpp, is right on this processor, and say what to do if not.

    It answers a prompt whose answer is known, in a process of its own. --rebuild builds it for this
    machine, 5 to 10 minutes on 2 cores, unless it is right as it is.""",
)
DOCTOR.add_argument(
    "--rebuild", action="store_true", help="build it for this machine, until it is right"
)

OPS = MagicParser("wiz_ops", "List the latest operations: prompts, loads and downloads.")
OPS.add_argument(
    "-n",
    type=flags(ListOperations, {"limit": "n"})["limit"].read,
    default=10,
    metavar="N",
    help="how many (10)",
)
ATTACH = MagicParser(
    "wiz_attach",
    """Show an operation from its beginning, and follow it to its end.

    Without an ID: the one of this notebook's session that runs, else a download or conversion that
    does, else the last of the session. So after a kernel restart, this shows the answer, or the
    download, that went on without the kernel. Interrupting cancels it.""",
)
ATTACH.add_argument("id", nargs="?", metavar="ID", help="as %%wiz_ops lists it")
ATTACH.add_argument("-o", metavar="NAME", help="keep the Answer in this variable")
CANCEL = MagicParser(
    "wiz_cancel", "Cancel an operation; without an ID, what runs for this notebook."
)
CANCEL.add_argument("id", nargs="?", metavar="ID", help="as %%wiz_ops lists it")

UNLOAD = MagicParser(
    "wiz_unload",
    """Unload a model: its process ends, and its memory is free again.

    Without a name: the one this notebook talks to. Refused while it answers somebody else.""",
)
UNLOAD.add_argument("model", nargs="?", metavar="MODEL", help="as it was loaded")
UNLOAD.add_argument("--force", action="store_true", help="also while it answers somebody else")
STOP = MagicParser(
    "wiz_stop",
    """End the service and every model it holds, for all notebooks.

    Conversations are kept; the next %wiz_load or prompt starts it again.""",
)


def _of_models(command: str) -> MagicParser:
    line = LINES[command]
    more = line.more.format("%wiz_")
    text = f"{line.help[:1].upper()}{line.help[1:]}."
    parser = MagicParser(f"wiz_{command}", f"{text}\n\n    {more}" if more else text)
    line.add(parser)
    return parser


MODELS = {command: _of_models(command) for command in LINES}
