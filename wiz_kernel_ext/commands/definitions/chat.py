"""`chat`: a panel to talk in; done in `notebook/magics/chat.py`."""

from __future__ import annotations

from wiz_kernel_ext.commands.command import NOTEBOOK, Command, Face, Parser
from wiz_kernel_ext.commands.flags import add_flags, sampling_flags


def arguments(parser: Parser, face: Face) -> None:
    """Where to talk, and how to sample the answers."""
    parser.add_argument("--session", metavar="NAME", help="talk in this session instead")
    add_flags(parser.add_argument_group("sampling"), sampling_flags().values())


COMMAND = Command(
    help="chat with the model in a panel, in the conversation that %%wiz_prompt has too",
    more="Closing it, or restarting the kernel, ends nothing: run the cell again and it goes on.",
    faces=NOTEBOOK,
    arguments=arguments,
    own_file=NOTEBOOK,
)
