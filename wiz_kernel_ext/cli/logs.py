"""`jupyter wiz logs`: the ends of the logs, also of a service that is gone."""

from __future__ import annotations

import argparse
import time
from collections import deque
from pathlib import Path

from wiz_kernel_ext.errors import ServiceNotRunning
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
        time.sleep(POLL_S)
        for file in _logs(where):
            positions[file] = _print_more(file, positions.get(file, 0))
    return 0


def _logs(where: Places) -> list[Path]:
    """The service's log and that of its latest worker, where llama.cpp's words are."""
    return [where.log_file, *where.logs_of_workers()[-1:]]


def _print_tail(file: Path, n_lines: int) -> int:
    with file.open("rb") as log:
        last = deque(log, maxlen=n_lines)
        position = log.tell()
    _print(file, b"".join(last))
    return position


def _print_more(file: Path, position: int) -> int:
    with file.open("rb") as log:
        log.seek(position)
        if more := log.read():
            _print(file, more)
        return log.tell()


def _print(file: Path, text: bytes) -> None:
    print(f"==> {file} <==", text.decode(errors="replace").rstrip("\n"), sep="\n", flush=True)
