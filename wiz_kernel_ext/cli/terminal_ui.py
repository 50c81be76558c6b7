"""How a command of `commands/definitions/` is done at a terminal.

What is found goes to standard output; the progress of an operation goes to standard error, where
that is a terminal.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from wiz_kernel_ext.client import Client
from wiz_kernel_ext.commands.command import Command, NothingToDo
from wiz_kernel_ext.commands.json_values import plain
from wiz_kernel_ext.commands.model_tables import (
    choice_table,
    chosen_from_table,
    verification_line,
)
from wiz_kernel_ext.commands.service_tables import Table, described, loaded_line
from wiz_kernel_ext.commands.throughput import Throughput, told
from wiz_kernel_ext.errors import AmbiguousModel, WizError
from wiz_kernel_ext.interrupts import taken
from wiz_kernel_ext.printable import encodable, json_safe, one_line, printable, write_control
from wiz_kernel_ext.protocol.answer import Answer
from wiz_kernel_ext.protocol.events import AnyEvent, Delta, Notice, Progress, Thinking
from wiz_kernel_ext.protocol.hub import Verification
from wiz_kernel_ext.protocol.results import Loaded, ModelInfo

if TYPE_CHECKING:
    from wiz_kernel_ext.client import Operation
    from wiz_kernel_ext.protocol.results import SessionInfo

REDRAW_S = 0.2
CANCEL_WAIT_S = 1.0
CLEARED = "\r\x1b[K"
DIM, PLAIN = "\x1b[2m", "\x1b[22m"
CALLED_OFF = "Cancelled. What came is kept: the same command goes on from there."


def run(command: Command, arguments: argparse.Namespace) -> int:
    """Do `command`; an interrupt cancels the operation it follows."""
    assert command.run is not None
    as_json = getattr(arguments, "json", False)
    client = Client(start=command.starts_service)
    try:
        value = command.run(TerminalUI(client, quiet=as_json), arguments)
    except NothingToDo as nothing:
        raise nothing.error from None
    except AmbiguousModel as error:
        print(choice_table(error.details.get("choices", [])).plain(), file=sys.stderr)
        raise chosen_from_table(error) from None
    finally:
        client.close()
    if as_json:
        print(json_safe(json.dumps(plain(value), indent=2, ensure_ascii=_is_narrow())))
    return 0


def _is_narrow() -> bool:
    """Whether standard output cannot write every letter: JSON has its own escapes for those."""
    return "utf" not in (sys.stdout.encoding or "utf-8").lower()


class TerminalUI:
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
            with taken():
                question = encodable(printable(question), sys.stdout)
                return input(question).strip().lower() in ("y", "yes")
        except EOFError:
            return False

    def session(self) -> SessionInfo | None:
        """A terminal is in no conversation."""
        return None

    def close(self) -> None:
        """Close the client."""
        self.client.close()

    def follow(self, operation: Operation, title: str) -> Any:
        """As `watch`, and print what it ended with."""
        outcome, written = self._watched(operation, title)
        _print_outcome(outcome, written, title)
        return outcome

    def watch(self, operation: Operation, title: str) -> Any:
        """Print an answer as it comes; show other progress on one line that is written over."""
        return self._watched(operation, title)[0]

    def _watched(self, operation: Operation, title: str) -> tuple[Any, str]:
        progress = _ProgressLine(title)
        thoughts = _Thoughts()
        written = ""
        try:
            with taken():
                for events in operation.batches(REDRAW_S):
                    progress.take(events)
                    thought = "".join(e.text for e in events if isinstance(e, Thinking))
                    if thought:
                        progress.clear()
                        thoughts.write(thought)
                    text = "".join(event.text for event in events if isinstance(event, Delta))
                    if text:
                        progress.clear()
                        thoughts.end()
                        print(text, end="", flush=True)
                        written += text
                outcome = operation.result()
        except KeyboardInterrupt:
            with suppress(WizError):
                operation.cancel(CANCEL_WAIT_S)
            if written:
                print(flush=True)
            if progress.stage == "download":
                progress.say(CALLED_OFF)
            raise
        finally:
            progress.clear()
            thoughts.end()
        return outcome, written


class _Thoughts:
    """What a model thinks, on standard error: no part of the answer."""

    def __init__(self) -> None:
        self._has_begun = False

    def write(self, text: str) -> None:
        """Write more of it, dimmed where a person looks on."""
        if not self._has_begun and sys.stderr.isatty():
            write_control(sys.stderr, DIM)
        self._has_begun = True
        print(encodable(printable(text), sys.stderr), end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        """It is over: what comes next stands on a line of its own."""
        if self._has_begun:
            self._has_begun = False
            if sys.stderr.isatty():
                write_control(sys.stderr, PLAIN)
            print(file=sys.stderr, flush=True)


class _ProgressLine:
    """The line on standard error that says how far an operation is."""

    def __init__(self, title: str) -> None:
        self.stage = ""
        self._title = title
        self._waits = False
        self._throughput = Throughput(time.monotonic)
        self._watched = sys.stderr.isatty()

    def take(self, events: Sequence[AnyEvent]) -> None:
        """Show the latest progress; every notice, and that it waits, on a line of its own."""
        for event in events:
            if isinstance(event, Notice):
                self.say(event.words)
            elif isinstance(event, Progress) and event.text and not self._waits:
                self._waits = True
                self.say(event.words)
        steps = [event for event in events if isinstance(event, Progress) and not event.text]
        if not steps:
            return
        self.stage = steps[-1].stage
        if self._watched:
            self._throughput.take(steps[-1])
            state = told(steps[-1], self._throughput.per_s)
            write_control(sys.stderr, CLEARED)
            text = one_line(f"{self.stage} {self._title}: {state}")
            print(text, end="", file=sys.stderr, flush=True)

    def say(self, text: str) -> None:
        """Write a line that stays."""
        self.clear()
        print(text, file=sys.stderr)

    def clear(self) -> None:
        """Take the line away."""
        if self._watched:
            write_control(sys.stderr, CLEARED)


def _print_outcome(outcome: Any, written: str, title: str) -> None:
    """Print what an operation ended with, of an answer the part that is not `written` yet."""
    if isinstance(outcome, Answer):
        # Deltas are a preview: the end carries the whole text.
        print(outcome[len(written) :] if outcome.startswith(written) else f"\n{outcome}")
    elif isinstance(outcome, Loaded):
        print(described(outcome))
    elif isinstance(outcome, ModelInfo):
        print(loaded_line(title, outcome.size_bytes, outcome.load_time_s, outcome.shared))
    elif not isinstance(outcome, Verification):
        print(outcome)
    elif not outcome.bad:
        print(verification_line(outcome))
