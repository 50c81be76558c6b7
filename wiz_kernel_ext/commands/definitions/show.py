"""`show`: what the model would read; done in `notebook/magics/show.py` and `cli/show.py`."""

from __future__ import annotations

from wiz_kernel_ext.commands.command import BOTH, Command, Face, Parser, add_text
from wiz_kernel_ext.commands.flags import add_flags, prompt_flags, sampling_flags


def arguments(parser: Parser, face: Face) -> None:
    """Those of `prompt` that change what is read. A magic's text stands around its options."""
    if face == "notebook":
        parser.add_argument("-o", metavar="NAME", help="keep the ShownPrompt in this variable")
    else:
        add_text(parser)
        parser.add_argument("--model", metavar="MODEL", help="a model that is loaded")
        parser.add_argument("--system", metavar="TEXT", help="the system prompt, without --session")
        parser.add_argument("--tokens", action="store_true", help="the tokens' ids instead")
    parser.add_argument("--session", metavar="NAME", help="as the next prompt of this session")
    add_flags(parser, [*prompt_flags().values(), sampling_flags()["max_tokens"]])


COMMAND = Command(
    help="show exactly what the model would read of a prompt, and ask nothing",
    more="Control tokens stand there by their names. It answers also while a prompt is answered.",
    notebook_help="""What is shown is then in `_`: its `text`, its `tokens`, `n_tokens`.

        %wiz_show What is a kernel?
        %%wiz_show --chat-template raw
        any text""",
    notebook_usage="%(prog)s [options] TEXT\n\n"
    "  %%%%%(prog)s [options]\n  TEXT, on any number of lines",
    arguments=arguments,
    own_file=BOTH,
    takes_text=True,
)
