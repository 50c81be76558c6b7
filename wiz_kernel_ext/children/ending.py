"""How a process ended, and that one cannot be started, in words: the same for every process."""

from __future__ import annotations

import signal
from collections.abc import Mapping

from wiz_kernel_ext.errors import WorkerDied

_REASONS = {"SIGKILL": "the system does that when memory runs out"}


def signal_name(returncode: int) -> str:
    """The signal that ended a process with `returncode`, "SIGSEGV" or a number; "" if none did."""
    if returncode >= 0:
        return ""
    try:
        return signal.Signals(-returncode).name
    except ValueError:
        return f"signal {-returncode}"


def describe_exit(returncode: int | None, reasons: Mapping[str, str] | None = None) -> str:
    """How a process ended, from its return code (negative: the signal; None: nobody saw it).

    `reasons` has, for the name of a signal, what that most likely means here.
    """
    if returncode is None:
        return "is gone"
    if returncode >= 0:
        return f"ended with exit code {returncode}"
    name = signal_name(returncode)
    reason = {**_REASONS, **(reasons or {})}.get(name)
    return f"was killed by {name} ({reason})" if reason else f"was killed by {name}"


def not_started(what: str, error: OSError) -> WorkerDied:
    """The error where the system starts no process: no memory, too many processes or files."""
    return WorkerDied(
        f"{what}: no process can be started ({error.strerror}).",
        hint="Close what you do not need on this machine, and run it again.",
    )
