"""The parent's end of a child process: how it is started, heard, called off, and seen to end.

Knows processes and the lines they say (`lines.py`), not what they do. Whatever takes long or may
crash runs in one: it can be killed at any time, and takes nobody along.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

import wiz_kernel_ext
from wiz_kernel_ext.children.ending import describe_exit
from wiz_kernel_ext.children.lines import Done, Failed, Line, Noted, Ticked
from wiz_kernel_ext.errors import OperationCancelled, WizError, error_from_info
from wiz_kernel_ext.surroundings import without_secrets

T = TypeVar("T")
OnProgress = Callable[[int, int | None], object]
OnNotice = Callable[[str], object]

N_LOG_LINES = 20
_MAX_LINE_BYTES = 64 << 20
_LINE_END = re.compile(rb"[\r\n]+")
_lines: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)


def ignore(*_: Any) -> None:
    """Nobody asked to be told."""


@dataclass(frozen=True)
class Ended:
    """How a child ended: its return code (negative: the signal) and its last lines of complaint."""

    returncode: int
    log: list[str]

    def __str__(self) -> str:
        last = f": {self.log[-1]}" if self.log else ""
        return f"its process {describe_exit(self.returncode)}{last}"


def child_environment(base: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment in which a child finds this very package, installed or not; no tokens."""
    base = without_secrets(os.environ if base is None else base)
    package = os.fspath(Path(wiz_kernel_ext.__file__).parents[1])
    paths = [package, *filter(None, base.get("PYTHONPATH", "").split(os.pathsep))]
    return {**base, "PYTHONPATH": os.pathsep.join(paths)}


async def follow(
    command: Sequence[str],
    result: type[T],
    *,
    what: str,
    broken: Callable[[Ended], WizError],
    order: bytes = b"",
    on_start: Callable[[int], object] = ignore,
    on_progress: OnProgress | None = None,
    on_notice: OnNotice | None = None,
    cancelled: asyncio.Event | None = None,
    environment: Mapping[str, str] | None = None,
) -> T:
    """Run a child of ours that speaks by lines; its result, or its error raised.

    `what` is what it does, in words that "was cancelled" may follow; `broken` makes the error for
    one that ended without a word. Else as `run_child`.
    """
    ends: list[Done | Failed] = []

    def hear(text: str) -> None:
        try:
            line = _lines.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return
        match line:
            case Ticked(done, total):
                (on_progress or ignore)(done, total)
            case Noted(notice):
                (on_notice or ignore)(notice)
            case Done() | Failed():
                ends.append(line)

    ended = await run_child(
        command,
        what=what,
        order=order,
        on_start=on_start,
        on_output=hear,
        cancelled=cancelled,
        environment=child_environment(environment),
    )
    match ends[-1:]:
        case [Failed(info)]:
            raise error_from_info(info)
        case [Done(data)] if ended.returncode == 0:
            with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                return msgspec.json.decode(
                    data, type=result, dec_hook=lambda kind, text: kind(text)
                )
    raise broken(ended)


async def run_child(
    command: Sequence[str],
    *,
    what: str,
    on_output: Callable[[str], object],
    on_complaint: Callable[[str], object] = ignore,
    order: bytes = b"",
    on_start: Callable[[int], object] = ignore,
    cancelled: asyncio.Event | None = None,
    environment: Mapping[str, str] | None = None,
) -> Ended:
    """Run `command` to its end, each line of either output to its function.

    `order` is written to its standard input, which stays open: its end tells the child that nobody
    is left to ask. When `cancelled` is set, or the caller's task is, the child and all it started
    are killed, and OperationCancelled (or the task's cancellation) is raised once they are gone.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
        # An interrupt of a notebook's kernel is not meant for it; and it is ended with all its own.
        start_new_session=True,
    )
    on_start(process.pid)
    log: deque[str] = deque(maxlen=N_LOG_LINES)

    def complain(line: str) -> None:
        log.append(line)
        on_complaint(line)

    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    work = asyncio.gather(
        _tell(process.stdin, order),
        _hear(process.stdout, on_output),
        _hear(process.stderr, complain),
        process.wait(),
    )
    stop = asyncio.ensure_future(cancelled.wait() if cancelled else asyncio.Event().wait())
    try:
        either: set[asyncio.Future[Any]] = {work, stop}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise OperationCancelled(f"{what} was cancelled.")
        work.result()
        return Ended(process.returncode or 0, list(log))
    finally:
        stop.cancel()
        process.stdin.close()
        if process.returncode is None or not work.done():
            await asyncio.shield(_end(process, work))


async def _tell(stream: asyncio.StreamWriter, order: bytes) -> None:
    with contextlib.suppress(ConnectionError):
        stream.write(order)
        await stream.drain()


async def _hear(stream: asyncio.StreamReader, on_line: Callable[[str], object]) -> None:
    """Hear whole lines of `stream`, ended by a line feed or, as progress bars do, a return."""
    rest = b""
    while data := await stream.read(1 << 18):
        *lines, rest = _LINE_END.split(rest + data)
        rest = rest[-_MAX_LINE_BYTES:]
        for line in lines:
            on_line(line.decode("utf-8", "replace"))
    if rest:
        on_line(rest.decode("utf-8", "replace"))


async def _end(process: asyncio.subprocess.Process, work: asyncio.Future[Any]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
    with contextlib.suppress(Exception):
        await work
