"""`jupyter wiz logs`: the ends of the logs, also of a service that is gone."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from wiz_kernel_ext.errors import ServiceNotRunning
from wiz_kernel_ext.interrupts import taken
from wiz_kernel_ext.log_file import last_lines
from wiz_kernel_ext.settings import Settings
from wiz_kernel_ext.transport.endpoints import Places, places

POLL_S = 0.3


def run(arguments: argparse.Namespace) -> int:
    """Print the last lines of each log, and go on if asked; raises ServiceNotRunning."""
    where = places(Settings.from_environment())
    if not where.log_file.exists():
        raise ServiceNotRunning(f"There is no log yet at {where.log_file}.")
    positions = {file: _print_tail(file, arguments.n) for file in _logs(where)}
    while arguments.f:
        with taken():
            time.sleep(POLL_S)
        for file in _logs(where):
            positions[file] = _print_more(file, positions.get(file, 0))
    return 0


def _logs(where: Places) -> list[Path]:
    """The service's log and that of its latest worker, where llama.cpp's words are."""
    return [where.log_file, *where.logs_of_workers()[-1:]]


def _print_tail(file: Path, n_lines: int) -> int:
    position = file.stat().st_size
    _print(file, "\n".join(last_lines(file, n_lines, end=position)))
    return position


def _print_more(file: Path, position: int) -> int:
    with file.open("rb") as log:
        # One that was too long is shorter now.
        log.seek(position if position <= file.stat().st_size else 0)
        if more := log.read():
            _print(file, more.decode(errors="replace").rstrip("\n"))
        return log.tell()


def _print(file: Path, text: str) -> None:
    print(f"==> {file} <==", text, sep="\n", flush=True)
