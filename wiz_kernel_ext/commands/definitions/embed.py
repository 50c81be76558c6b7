"""`embed`: vectors of texts; done in `notebook/magics/embed.py` and `cli/embed.py`."""

from __future__ import annotations

from wiz_kernel_ext.commands.command import BOTH, Command, Face, Parser, add_texts


def arguments(parser: Parser, face: Face) -> None:
    """The texts and the model. A magic's text stands around its options."""
    if face == "notebook":
        parser.add_argument("-o", metavar="NAME", help="keep the array in this variable")
    else:
        add_texts(parser)
    parser.add_argument("--model", metavar="MODEL", help="any name of a model, or a path")
    parser.add_argument("--normalize", action="store_true", help="make each vector's length one")


COMMAND = Command(
    help="make vectors of texts",
    more="""An embedding model (bge, nomic-embed, …) is made for this; a chat model's vectors tell
    very different texts apart, and little more. A text that is longer than the model reads is cut,
    and named.""",
    notebook_help="""The array (float32, a row for each text) is then in `_`.

        %wiz_embed the text of one vector
        %%wiz_embed -o vectors --model bge-small.gguf
        one text
        on each line""",
    notebook_usage="%(prog)s [options] TEXT\n\n  %%%%%(prog)s [options]\n  a TEXT on each line",
    arguments=arguments,
    own_file=BOTH,
    takes_text=True,
    lists=True,
)
