"""Long work in a killable child: what it says on the way, how it is cancelled, how it ends.

Knows processes and JSON lines, not what the work is. Both ends are here: the child's `Speaker`, and
the parent's `run_child` and `follow`. Conversion and quantizing use it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import psutil

from wiz_kernel_ext.errors import (
    ConversionFailed,
    ErrorInfo,
    OperationCancelled,
    WizError,
    error_from_info,
)

INTERVAL_S = 0.1
TERM_TIMEOUT_S = 0.3
N_LOG_LINES = 20
NICENESS = 5
_LINE_END = re.compile(rb"[\r\n]+")

T = TypeVar("T")
OnProgress = Callable[[int, int], object]
OnNotice = Callable[[str], object]


class Line(msgspec.Struct, omit_defaults=True):
    """One line of a child: exactly one of these."""

    progress: tuple[int, int] | None = None
    notice: str | None = None
    result: dict[str, Any] | None = None
    error: ErrorInfo | None = None


class Speaker:
    """The child's end: prints lines on standard output, progress at most ten times a second."""

    def __init__(self, write: Callable[[bytes], object] | None = None) -> None:
        self._write = write or sys.stdout.buffer.write
        self._next = 0.0

    def progress(self, done: int, total: int) -> None:
        """`done` of `total` bytes."""
        now = time.monotonic()
        if now >= self._next or done >= total:
            self._next = now + INTERVAL_S
            self._say(Line(progress=(done, total)))

    def notice(self, text: str) -> None:
        """Something the user should know."""
        self._say(Line(notice=text))

    def result(self, result: Any) -> None:
        """The end, with a result."""
        self._say(Line(result=msgspec.to_builtins(result, enc_hook=str)))

    def error(self, error: WizError) -> None:
        """The end, with an error."""
        self._say(Line(error=error.info()))

    def _say(self, line: Line) -> None:
        self._write(msgspec.json.encode(line) + b"\n")
        sys.stdout.flush()


def part_file(target: Path, pid: int) -> Path:
    """The name a file has until it is whole: hidden, its writer's."""
    return target.with_name(f".{target.name}.{pid}.part")


def sweep(target: Path) -> None:
    """Remove the parts of `target` whose writers are gone, as a power cut leaves them."""
    start, end = f".{target.name}.", ".part"
    with contextlib.suppress(OSError):
        for path in target.parent.iterdir():
            pid = path.name.removeprefix(start).removesuffix(end)
            ours = path.name == f"{start}{pid}{end}" and pid.isdecimal()
            if ours and not psutil.pid_exists(int(pid)):
                path.unlink(missing_ok=True)


def discard(part: Path) -> None:
    """Remove a part file, if it is there."""
    with contextlib.suppress(OSError):
        part.unlink(missing_ok=True)


def end_with_parent(part: Path) -> None:
    """End this process, without its `part`, when its standard input ends: nobody is left to ask.

    It also yields to others: whoever answers in a notebook meanwhile comes first.
    """

    def watch() -> None:
        with contextlib.suppress(OSError, ValueError):
            while os.read(0, 4096):
                pass
        discard(part)
        os._exit(1)

    os.nice(NICENESS)
    threading.Thread(target=watch, daemon=True, name="parent").start()


def end_on_signal(part: Path) -> None:
    """End this process at once, without its `part`, when it is told to terminate."""

    def stop(number: int, _: object) -> None:
        discard(part)
        os._exit(128 + number)

    signal.signal(signal.SIGTERM, stop)


@dataclass(frozen=True)
class Ended:
    """How a child ended: its return code (negative: the signal) and its last lines of complaint."""

    pid: int
    returncode: int
    log: list[str]


async def run_child(
    command: Sequence[str],
    *,
    on_output: Callable[[str], object],
    on_complaint: Callable[[str], object] = lambda line: None,
    cancelled: asyncio.Event | None = None,
    on_start: Callable[[int], object] = lambda pid: None,
    environment: Mapping[str, str] | None = None,
) -> Ended:
    """Run `command` to its end, each line of either output to its function.

    When `cancelled` is set, or the caller's task is, it and all it started are ended, within a
    second, and OperationCancelled (or the task's cancellation) is raised.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )
    on_start(process.pid)
    log: deque[str] = deque(maxlen=N_LOG_LINES)

    def complain(line: str) -> None:
        log.append(line)
        on_complaint(line)

    assert process.stdout is not None
    assert process.stderr is not None
    work = asyncio.gather(
        _pump(process.stdout, on_output), _pump(process.stderr, complain), process.wait()
    )
    stop = asyncio.ensure_future(cancelled.wait() if cancelled else asyncio.Event().wait())
    try:
        either: set[asyncio.Future[Any]] = {work, stop}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise OperationCancelled("Cancelled; nothing was kept.")
        work.result()
        return Ended(process.pid, process.returncode or 0, list(log))
    finally:
        stop.cancel()
        if process.returncode is None or not work.done():
            await asyncio.shield(_end(process, work))


async def _pump(stream: asyncio.StreamReader, on_line: Callable[[str], object]) -> None:
    """Whole lines of `stream`, ended by \\n or, as progress bars do, by \\r."""
    rest = b""
    while data := await stream.read(65536):
        *lines, rest = _LINE_END.split(rest + data)
        for line in lines:
            on_line(line.decode("utf-8", "replace"))
    if rest:
        on_line(rest.decode("utf-8", "replace"))


async def _end(process: asyncio.subprocess.Process, work: asyncio.Future[Any]) -> None:
    """End the child's whole process group: politely, then not."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(process.wait(), TERM_TIMEOUT_S)
            break
    else:
        await process.wait()
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)  # what the child itself had started
    with contextlib.suppress(Exception):
        await work


async def follow(
    command: Sequence[str],
    target: Path,
    *,
    what: str,
    on_progress: OnProgress | None,
    on_notice: OnNotice | None,
    cancelled: asyncio.Event | None,
) -> dict[str, Any]:
    """Run a child that speaks by `Speaker` and writes `target`; its result, or its error raised.

    Whatever happens, the child's part file is gone afterwards.
    """
    ends: list[Line] = []
    pids: list[int] = []

    def on_output(text: str) -> None:
        line = msgspec.json.decode(text, type=Line)
        if line.progress is not None:
            if on_progress is not None:
                on_progress(*line.progress)
        elif line.notice is not None:
            if on_notice is not None:
                on_notice(line.notice)
        else:
            ends.append(line)

    try:
        ended = await run_child(
            command, on_output=on_output, cancelled=cancelled, on_start=pids.append
        )
    finally:
        for pid in pids:
            discard(part_file(target, pid))
    if not ends or (ends[-1].error is None and ended.returncode):
        raise ConversionFailed(
            f"{what} broke off: its process {_how(ended)}.",
            hint="Nothing was kept. If memory ran out, close what else is loaded and try again.",
            target=str(target),
            log=ended.log,
        )
    if ends[-1].error is not None:
        raise error_from_info(ends[-1].error)
    return ends[-1].result or {}


def as_report(result: Mapping[str, Any], kind: type[T]) -> T:
    """A child's result as the struct it was; paths travel as text."""
    return msgspec.convert(result, kind, dec_hook=lambda wanted, value: wanted(value))


def _how(ended: Ended) -> str:
    last = f": {ended.log[-1]}" if ended.log else ""
    if ended.returncode >= 0:
        return f"ended with exit code {ended.returncode}{last}"
    try:
        name = signal.Signals(-ended.returncode).name
    except ValueError:
        name = f"signal {-ended.returncode}"
    return f"was killed by {name}{last}"
