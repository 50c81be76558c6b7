"""`logs`: what the service and its workers logged; done in `cli/logs.py`."""

from __future__ import annotations

from wiz_kernel_ext.commands.command import TERMINAL, Command, Face, Parser
from wiz_kernel_ext.commands.flags import whole_number


def arguments(parser: Parser, face: Face) -> None:
    """How much of it, and whether to go on."""
    parser.add_argument(
        "-n", type=whole_number, default=50, metavar="N", help="the last N lines (50)"
    )
    parser.add_argument("-f", action="store_true", help="go on as more is logged")


COMMAND = Command(
    help="what the service and its workers logged",
    faces=TERMINAL,
    arguments=arguments,
    own_file=TERMINAL,
    starts_service=False,
)
