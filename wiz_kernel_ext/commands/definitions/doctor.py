"""`doctor`: what is wrong on this machine; done in `cli/doctor.py`.

A notebook runs the terminal's command in a process of its own: `notebook/magics/doctor.py`.
"""

from __future__ import annotations

import argparse

from wiz_kernel_ext.commands.command import BOTH, Command, Face, Parser


def arguments(parser: Parser, face: Face) -> None:
    """Whether to build the engine, and how."""
    parser.add_argument(
        "--rebuild", action="store_true", help="build it for this machine, until it is right"
    )
    if face == "terminal":
        parser.add_argument(
            "--safer", action="store_true", help="leave out the fastest way to build"
        )
        parser.add_argument("--json", action="store_true", help="as JSON")
        parser.add_argument("--read-in", default="terminal", help=argparse.SUPPRESS)


COMMAND = Command(
    help="look at the installation, the engine, places, memory, the service and the hub",
    more="""Each line is ok, a note, or something that must be done, with how. The engine answers a
    prompt whose answer is known, in a process of its own. --rebuild builds it for this machine, 5
    to 10 minutes on 2 cores, unless it is right as it is.""",
    arguments=arguments,
    own_file=BOTH,
)
