"""The child's end of a child process: how it speaks, and that it ends when its parent is gone.

The parent's end is `child.py`. Knows nothing of what the child works on.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec

from wiz_kernel_ext.children.lines import Done, Failed, Line, Noted, Ticked
from wiz_kernel_ext.errors import WizError

INTERVAL_S = 0.1
CALLED_OFF = 3
NICENESS = 5
"""For what computes for long: whoever answers in a notebook meanwhile comes first."""


def nothing() -> None:
    """There is nothing to be tidied up."""


class Speaker:
    """Says lines on standard output; whatever else is printed there goes to standard error."""

    def __init__(self) -> None:
        self._output = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)
        self._lock = threading.Lock()
        self._next = 0.0

    def say(self, line: Line) -> None:
        """Say one line; from any thread."""
        with self._lock, contextlib.suppress(BrokenPipeError):
            self._output.write(msgspec.json.encode(line) + b"\n")
            self._output.flush()

    def progress(self, done: int, total: int | None) -> None:
        """`done` of `total` bytes; said at most ten times a second."""
        now = time.monotonic()
        if now >= self._next or done == total:
            self._next = now + INTERVAL_S
            self.say(Ticked(done, total))

    def notice(self, text: str) -> None:
        """Something the user should know."""
        self.say(Noted(text))

    def result(self, result: Any) -> None:
        """The end, with a result; paths travel as text."""
        self.say(Done(msgspec.Raw(msgspec.json.encode(result, enc_hook=str))))

    def error(self, error: WizError) -> None:
        """The end, with an error."""
        self.say(Failed(error.info()))


def leave_no_core() -> None:
    """From now on a crash of this process, which may well be, leaves no core file behind."""
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def end_with_parent(tidy_up: Callable[[], object] = nothing) -> None:
    """From now on, end this process once its standard input ends: nobody is left to ask.

    That is also how it is called off by a parent that dies.
    """

    def watch() -> None:
        with contextlib.suppress(OSError, ValueError):
            while os.read(0, 4096):
                pass
        tidy_up()
        os._exit(CALLED_OFF)

    threading.Thread(target=watch, daemon=True, name="parent").start()


def end_on_signal(tidy_up: Callable[[], object]) -> None:
    """From now on, end this process at once, but tidily, when it is told to terminate."""

    def stop(number: int, _: object) -> None:
        tidy_up()
        os._exit(128 + number)

    signal.signal(signal.SIGTERM, stop)
