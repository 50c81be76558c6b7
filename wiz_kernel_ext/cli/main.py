"""`jupyter wiz`: its parser, made of `commands/definitions/`, and its exit codes.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no service is running, 130 interrupted. Errors are
two lines on standard error: what, and what next.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from wiz_kernel_ext.commands.listing import commands_of
from wiz_kernel_ext.commands.parsing import TypedParser
from wiz_kernel_ext.errors import BadRequest, ServiceNotRunning, WizError, not_permitted
from wiz_kernel_ext.interrupts import held
from wiz_kernel_ext.printable import printable_streams
from wiz_kernel_ext.remedies import read_in

FAILED, WRONG_USAGE, NO_SERVICE, INTERRUPTED = 1, 2, 3, 130


def parser() -> TypedParser:
    """The parser of the whole command line."""
    whole = TypedParser(prog="jupyter wiz", description="Local models for Jupyter notebooks.")
    parsers = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in commands_of("terminal").items():
        one = parsers.add_parser(
            name,
            help=command.help,
            description=command.description("terminal"),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.arguments(one, "terminal")
        if command.lists:
            one.add_argument("--json", action="store_true", help="as JSON")
    return whole


def run(argv: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    read_in("terminal")
    with printable_streams():
        return _run(argv)


def _run(argv: Sequence[str]) -> int:
    try:
        arguments = parser().parse_args(argv)
    except BadRequest as error:
        return _complain(error, WRONG_USAGE)
    except SystemExit as end:  # --help has printed and wants to leave
        return int(end.code or 0)
    try:
        with held(and_then="exit"):
            return _do(arguments)
    except ServiceNotRunning as error:
        return _complain(error, NO_SERVICE)
    except WizError as error:
        return _complain(error, FAILED)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (head, a pager) has seen enough; Python would complain once more at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if refused := not_permitted(error):
            return _complain(refused, FAILED)
        raise


def _do(arguments: argparse.Namespace) -> int:
    # Imported here: `--help` and wrong usage should not wait for sockets' libraries.
    name = arguments.command
    command = commands_of("terminal")[name]
    if "terminal" in command.own_file:
        code: int = import_module(f"wiz_kernel_ext.cli.{name}").run(arguments)
        return code
    from wiz_kernel_ext.cli import terminal_ui

    return terminal_ui.run(command, arguments)


def _complain(error: WizError, code: int) -> int:
    print(*error._render_traceback_(), sep="\n", file=sys.stderr)
    return code
