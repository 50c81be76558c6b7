"""Runs the child process that talks to the hub, one for each order.

Knows how it is started, heard and called off, not what it does. Called by `download`, `search`,
`inspection` and `library`, in whatever process they run.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

import wiz_kernel_ext
from wiz_kernel_ext.errors import DownloadFailed, OperationCancelled, error_from_info
from wiz_kernel_ext.hub.fetch.messages import AnyOrder, Done, Failed, Line, Noted, Ticked

T = TypeVar("T")
OnProgress = Callable[[int, int | None], None]
OnNotice = Callable[[str], None]

_FETCH = "wiz_kernel_ext.hub.fetch"
_N_STDERR_BYTES = 4000
_MAX_LINE_BYTES = 64 << 20
_lines: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)


def ignore(*_: Any) -> None:
    """Nobody asked to be told."""


async def carry_out(
    order: AnyOrder,
    result: type[T],
    *,
    on_progress: OnProgress = ignore,
    on_notice: OnNotice = ignore,
    cancelled: asyncio.Event | None = None,
    environment: Mapping[str, str] | None = None,
) -> T:
    """Have `order` carried out; its result, decoded as `result`.

    Raises the WizError the child ends with, OperationCancelled once `cancelled` is set (the child
    is dead by then), DownloadFailed with the last of its log where it ends without a word.
    """
    environment = os.environ if environment is None else environment
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", _FETCH),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=_environment(environment),
        limit=_MAX_LINE_BYTES,
        # An interrupt of a notebook's kernel is not meant for it.
        start_new_session=True,
    )
    assert child.stdin is not None and child.stdout is not None and child.stderr is not None
    tail = asyncio.create_task(_tail(child.stderr))
    cancel = asyncio.create_task((cancelled or asyncio.Event()).wait())
    try:
        with contextlib.suppress(ConnectionError):
            child.stdin.write(msgspec.json.encode(order) + b"\n")
            await child.stdin.drain()
        while True:
            read = asyncio.create_task(child.stdout.readline())
            done, _ = await asyncio.wait({read, cancel}, return_when=asyncio.FIRST_COMPLETED)
            if cancel in done:
                read.cancel()
                raise OperationCancelled(f"{_title(order)} was cancelled.")
            match _line(read.result()):
                case Ticked(n, total):
                    on_progress(n, total)
                case Noted(text):
                    on_notice(text)
                case Done(data):
                    return msgspec.json.decode(data, type=result)
                case Failed(info):
                    raise error_from_info(info)
                case None:
                    await child.wait()
                    raise DownloadFailed(
                        f"{_title(order)} ended with code {child.returncode}.",
                        hint="Run it again; `log` in the error's details has what it said.",
                        log=without_tokens(await tail, environment),
                    )
    finally:
        cancel.cancel()
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        child.stdin.close()
        await child.wait()
        tail.cancel()


def without_tokens(text: str, environment: Mapping[str, str]) -> str:
    """`text` with nothing in it that could be a token."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        if token := environment.get(name, ""):
            text = text.replace(token, "hf_…")
    return re.sub(r"hf_[A-Za-z0-9]{8,}", "hf_…", text)


def _title(order: AnyOrder) -> str:
    subject = getattr(order, "repo", "") or getattr(order, "text", "") or "the hub"
    files = getattr(order, "files", None) or [getattr(order, "file", "")]
    what = f"{files[0]} of {subject}" if files[0] else subject
    return f"The {order.__struct_config__.tag} of {what}"


def _line(data: bytes) -> Line | None:
    try:
        return _lines.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _environment(base: Mapping[str, str]) -> dict[str, str]:
    # The child must find this very package, installed or not.
    package = os.fspath(Path(wiz_kernel_ext.__file__).parents[1])
    paths = [package, *filter(None, base.get("PYTHONPATH", "").split(os.pathsep))]
    return {**base, "PYTHONPATH": os.pathsep.join(paths), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}


async def _tail(stream: asyncio.StreamReader) -> str:
    """The last of what is said there, read to its end so that the speaker never waits."""
    tail = b""
    while data := await stream.read(65536):
        tail = (tail + data)[-_N_STDERR_BYTES:]
    return tail.decode(errors="replace")
