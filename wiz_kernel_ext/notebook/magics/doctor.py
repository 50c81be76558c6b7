"""`%wiz_doctor`: what is wrong on this machine.

The command line's own command, in a process of its own: what it tries may die, what it builds
takes minutes, and an interrupt ends it with all it started.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys

from wiz_kernel_ext.children.child import child_environment
from wiz_kernel_ext.interrupts import taken
from wiz_kernel_ext.notebook.magics.host import MagicHost


def run(host: MagicHost, arguments: argparse.Namespace) -> None:
    """`%wiz_doctor [--rebuild]`; asks no service."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "wiz_kernel_ext", "doctor", "--read-in", "notebook"),
            *(["--rebuild"] if arguments.rebuild else []),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=child_environment(),
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        with taken():
            for text in process.stdout:
                host.screen.write(text)
            process.wait()
    finally:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.stdout.close()
