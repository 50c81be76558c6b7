"""`jupyter wiz search`, `pull`, `rm` and the other commands about models, at a terminal.

What they do is in `model_commands.py`. What is found goes to standard output, how far a work is to
standard error, where somebody watches.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from wiz_kernel_ext.client import Client
from wiz_kernel_ext.commands.json_values import plain
from wiz_kernel_ext.commands.model_commands import COMMANDS, chosen_from_table
from wiz_kernel_ext.commands.model_tables import choice_table, verification_line
from wiz_kernel_ext.commands.service_tables import Table
from wiz_kernel_ext.commands.throughput import Throughput, told
from wiz_kernel_ext.errors import AmbiguousModel
from wiz_kernel_ext.protocol.events import Notice, Progress
from wiz_kernel_ext.protocol.hub import Verification

if TYPE_CHECKING:
    from wiz_kernel_ext.client import Operation

REDRAW_S = 0.2
CLEARED = "\r\x1b[K"
CALLED_OFF = "Cancelled. What came is kept: the same command goes on from there."


def run(command: str, arguments: argparse.Namespace) -> int:
    """Run one of `COMMANDS`; an interrupt cancels its work."""
    as_json = getattr(arguments, "json", False)
    client = Client()
    try:
        value = COMMANDS[command](TerminalAsker(client, quiet=as_json), arguments)
    except AmbiguousModel as error:
        print(choice_table(error.details.get("choices", [])).plain(), file=sys.stderr)
        raise chosen_from_table(error) from None
    finally:
        client.close()
    if as_json:
        print(json.dumps(plain(value), indent=2, ensure_ascii=False))
    return 0


class TerminalAsker:
    """The user of a terminal, or a script; `quiet` shows nothing."""

    def __init__(self, client: Client, *, quiet: bool = False) -> None:
        self.client = client
        self._quiet = quiet

    def show(self, line: str, tables: Sequence[Table] = ()) -> None:
        """Print it."""
        texts = [line, *(table.plain() for table in tables)]
        if not self._quiet:
            print("\n".join(text for text in texts if text))

    def confirm(self, question: str) -> bool | None:
        """Ask, if a person is there."""
        if not sys.stdin.isatty():
            return None
        try:
            return input(question).strip().lower() in ("y", "yes")
        except EOFError:
            return False

    def follow(self, operation: Operation, title: str) -> Any:
        """Show how far it is on one line that is written over; print its result."""
        throughput = Throughput(time.monotonic)
        watched = sys.stderr.isatty()
        stage = ""
        try:
            for events in operation.batches(REDRAW_S):
                for event in events:
                    if isinstance(event, Notice):
                        print(CLEARED if watched else "", event.words, sep="", file=sys.stderr)
                steps = [event for event in events if isinstance(event, Progress)]
                stage = steps[-1].stage if steps else stage
                if steps and watched:
                    throughput.take(steps[-1])
                    state = told(steps[-1], throughput.per_s)
                    text = f"{CLEARED}{steps[-1].stage} {title}: {state}"
                    print(text, end="", file=sys.stderr, flush=True)
            outcome = operation.result()
        except KeyboardInterrupt:
            operation.cancel()
            if stage == "download":
                print(CLEARED if watched else "", CALLED_OFF, sep="", file=sys.stderr)
            raise
        finally:
            if watched:
                print(CLEARED, end="", file=sys.stderr, flush=True)
        if not isinstance(outcome, Verification):
            print(outcome)
        elif not outcome.bad:
            print(verification_line(outcome))
        return outcome
