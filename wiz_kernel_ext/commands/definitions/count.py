"""`count`: how many tokens a text is; done in `notebook/magics/count.py` and `cli/count.py`."""

from __future__ import annotations

from wiz_kernel_ext.commands.command import BOTH, Command, Face, Parser, add_text


def arguments(parser: Parser, face: Face) -> None:
    """For which model. A magic's text stands around its options."""
    if face == "terminal":
        add_text(parser)
    parser.add_argument("--model", metavar="MODEL", help="a model that is loaded")


COMMAND = Command(
    help="how many tokens a text is for the loaded model",
    more="The text alone, without the control tokens around a prompt: `show` has those.",
    notebook_help="""The number is then in `_`.

        %wiz_count What is a kernel?
        %%wiz_count
        any text, counted exactly as it stands here""",
    notebook_usage="%(prog)s [options] TEXT\n\n"
    "  %%%%%(prog)s [options]\n  TEXT, on any number of lines",
    arguments=arguments,
    own_file=BOTH,
    takes_text=True,
)
