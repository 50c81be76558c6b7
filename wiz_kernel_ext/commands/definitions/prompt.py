"""`prompt`: ask the model; done in `notebook/magics/prompt.py` and `cli/prompt.py`."""

from __future__ import annotations

from wiz_kernel_ext.commands.command import BOTH, Command, Face, Parser, add_text
from wiz_kernel_ext.commands.flags import add_flags, prompt_flags, sampling_flags


def arguments(parser: Parser, face: Face) -> None:
    """Where to ask, and how to sample the answer. A magic's text stands around its options."""
    if face == "notebook":
        parser.add_argument("-o", metavar="NAME", help="keep the Answer in this variable")
        parser.add_argument("--session", metavar="NAME", help="talk in this session instead")
        parser.add_argument("--new", action="store_true", help="begin a new conversation")
        parser.add_argument("--system", metavar="TEXT", help="set the session's system prompt")
        parser.add_argument(
            "--background",
            action="store_true",
            help="return at once; the answer is drawn here while other cells run, "
            "and -o keeps the operation: NAME.result() waits for the Answer",
        )
    else:
        add_text(parser)
        parser.add_argument("--model", metavar="MODEL", help="a .gguf file, or demo")
        parser.add_argument("--session", metavar="NAME", help="go on with this conversation")
        parser.add_argument("--system", metavar="TEXT", help="the system prompt")
    parser.add_argument(
        "--image",
        dest="images",
        action="append",
        metavar="PATH",
        help="a picture that the prompt is about; repeatable",
    )
    add_flags(parser, prompt_flags().values())
    add_flags(parser.add_argument_group("sampling"), sampling_flags().values())


COMMAND = Command(
    help="ask the model",
    notebook_help="""The answer is drawn as it comes, and is then in `_`.

        %wiz_prompt What is a kernel? --max-tokens 50
        %%wiz_prompt -o answer --temperature 0
        any text, sent exactly as it stands here

    On the line, options stand before or after the text; -- ends them. Neither $x nor {x} is
    expanded: prompts are full of braces. A cell goes on with the conversation of this notebook,
    also after a kernel restart; --new begins another. Interrupt the kernel to stop an answer: what
    there is of it is kept.

    Defaults: %config WizMagics.temperature = 0.2""",
    notebook_usage="%(prog)s [options] TEXT\n\n"
    "  %%%%%(prog)s [options]\n  TEXT, on any number of lines",
    arguments=arguments,
    own_file=BOTH,
    takes_text=True,
)
