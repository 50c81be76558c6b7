"""`jupyter wiz`: the commands, their options and their exit codes.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 no service is running, 130 interrupted. Errors are
two lines on standard error: what, and what next.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from wiz_kernel_ext.commands.flags import add_flags, sampling_flags
from wiz_kernel_ext.commands.model_arguments import LINES
from wiz_kernel_ext.commands.parsing import TypedParser
from wiz_kernel_ext.errors import BadRequest, ServiceNotRunning, WizError
from wiz_kernel_ext.remedies import read_in

FAILED, WRONG_USAGE, NO_SERVICE, INTERRUPTED = 1, 2, 3, 130


def parser() -> TypedParser:
    """The parser of the whole command line."""
    whole = TypedParser(prog="jupyter wiz", description="Local models for Jupyter notebooks.")
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    status = commands.add_parser("status", help="what is loaded, running and kept")
    status.add_argument("--json", action="store_true", help="as JSON")
    unload = commands.add_parser("unload", help="give a model's memory back")
    unload.add_argument("model", nargs="?", metavar="MODEL", help="where there are several")
    unload.add_argument("--force", action="store_true", help="also while it answers somebody")
    commands.add_parser("stop", help="end the service and its models")
    logs = commands.add_parser("logs", help="what the service and its workers logged")
    logs.add_argument("-n", type=int, default=50, metavar="N", help="the last N lines (50)")
    logs.add_argument("-f", action="store_true", help="go on as more is logged")
    doctor = commands.add_parser("doctor", help="whether the engine is right on this processor")
    doctor.add_argument(
        "--rebuild", action="store_true", help="build it for this machine, until it is right"
    )
    doctor.add_argument("--safer", action="store_true", help="leave out the fastest way to build")
    doctor.add_argument("--read-in", default="terminal", help=argparse.SUPPRESS)
    prompt = commands.add_parser("prompt", help="ask a model")
    prompt.add_argument("text", nargs="*", metavar="TEXT", help="- or nothing: standard input")
    prompt.add_argument("--model", metavar="MODEL", help="a .gguf file, or demo")
    prompt.add_argument("--session", metavar="NAME", help="go on with this conversation")
    prompt.add_argument("--system", metavar="TEXT", help="the system prompt")
    add_flags(prompt.add_argument_group("sampling"), sampling_flags().values())
    for command, line in LINES.items():
        about = line.more.format("jupyter wiz ")
        model = commands.add_parser(
            command,
            help=line.help,
            description=f"{line.help[:1].upper()}{line.help[1:]}. {about}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        line.add(model)
        if line.lists:
            model.add_argument("--json", action="store_true", help="as JSON")
    return whole


def run(argv: Sequence[str]) -> int:
    """Run one command and return its exit code."""
    read_in("terminal")
    try:
        arguments = parser().parse_args(argv)
    except BadRequest as error:
        return _complain(error, WRONG_USAGE)
    except SystemExit as end:  # --help has printed and wants to leave
        return int(end.code or 0)
    try:
        return _command(arguments)
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


def _command(arguments: argparse.Namespace) -> int:
    # Imported here: `--help` and wrong usage should not wait for sockets' libraries.
    if arguments.command in LINES:
        from wiz_kernel_ext.cli import models

        return models.run(arguments.command, arguments)
    if arguments.command == "doctor":
        from wiz_kernel_ext.cli.doctor import doctor

        read_in(arguments.read_in)
        return doctor(rebuild=arguments.rebuild, safer=arguments.safer)
    from wiz_kernel_ext.cli import prompt as asking
    from wiz_kernel_ext.cli import service

    if arguments.command == "status":
        return service.status(as_json=arguments.json)
    if arguments.command == "unload":
        return service.unload(arguments.model, force=arguments.force)
    if arguments.command == "stop":
        return service.stop()
    if arguments.command == "logs":
        return service.logs(arguments.n, follow=arguments.f)
    return asking.prompt(arguments)


def _complain(error: WizError, code: int) -> int:
    print(*error._render_traceback_(), sep="\n", file=sys.stderr)
    return code
