"""Download one file of a hub repository into the standard Hugging Face cache.

Knows the child process that does it (`fetch`), not huggingface_hub: so whoever downloads never
imports it, and a cancel always works. Called by the service and by the in-process worker.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

import wiz_kernel_ext
from wiz_kernel_ext.errors import BadRequest, DownloadFailed, OperationCancelled
from wiz_kernel_ext.hub.fetch import Failed, Fetched, Line, Order, Ticked

STALL_TIMEOUT_S = 120.0
_END_TIMEOUT_S = 3.0
_N_STDERR_BYTES = 4000
_lines: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)
_FETCH = "wiz_kernel_ext.hub.fetch"


async def download(
    repo: str,
    file: str,
    revision: str | None = None,
    *,
    on_progress: Callable[[int, int | None], None],
    cancelled: asyncio.Event,
    environment: Mapping[str, str] | None = None,
    stall_timeout_s: float = STALL_TIMEOUT_S,
) -> str:
    """Fetch `file` of `repo` and return its path in the cache (a path of its snapshot).

    `on_progress(done, total)` is called in bytes, at most about ten times a second. Raises
    DownloadFailed, OperationCancelled once `cancelled` is set, and BadRequest for names that
    cannot be, before anything is sent. Nothing that was received for `stall_timeout_s` ends it.
    """
    check_names(repo, file, revision)
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", _FETCH),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=_environment(os.environ if environment is None else environment),
        # An interrupt of a notebook's kernel is not meant for it.
        start_new_session=True,
    )
    assert child.stdin is not None and child.stdout is not None and child.stderr is not None
    tail = asyncio.create_task(_tail(child.stderr))
    cancel = asyncio.create_task(cancelled.wait())
    try:
        with contextlib.suppress(ConnectionError):
            child.stdin.write(msgspec.json.encode(Order(repo, file, revision)) + b"\n")
            await child.stdin.drain()
        while True:
            read = asyncio.create_task(child.stdout.readline())
            done, _ = await asyncio.wait(
                {read, cancel}, timeout=stall_timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
            if cancel in done:
                read.cancel()
                raise OperationCancelled(f"The download of {file} of {repo} was cancelled.")
            if read not in done:
                read.cancel()
                raise DownloadFailed(
                    f"Nothing of {file} of {repo} has come for {stall_timeout_s:.0f} s.",
                    hint="Check the network, then try again.",
                )
            match _line(read.result()):
                case Ticked(n, total):
                    on_progress(n, total)
                case Fetched(path):
                    return path
                case Failed(message, hint, details):
                    raise DownloadFailed(message, hint=hint, **details)
                case None:
                    await _end(child)
                    raise DownloadFailed(
                        f"The download of {file} of {repo} ended with code {child.returncode}.",
                        hint="Try again; `log` in the error's details has what it said.",
                        log=_without_tokens(await tail, environment),
                    )
    finally:
        cancel.cancel()
        await _end(child)
        tail.cancel()


def check_names(repo: str, file: str, revision: str | None = None) -> None:
    """Raise BadRequest for what cannot name a repository, a file in it, or a revision."""
    if not re.fullmatch(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)?", repo) or not _is_inside(repo):
        raise BadRequest(
            f"{repo!r} is no repository's name.", hint='Names look like "owner/name".', field="repo"
        )
    for field, name in (("file", file), ("revision", revision)):
        if name is not None and not _is_inside(name):
            raise BadRequest(
                f"{name!r} cannot be a {field}.",
                hint="Give a path inside the repository." if field == "file" else None,
                field=field,
            )


def _is_inside(name: str) -> bool:
    parts = re.split(r"[/\\]", name)
    return name.isprintable() and not any(part.strip() in ("", ".", "..") for part in parts)


def _line(data: bytes) -> Line | None:
    try:
        return _lines.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _environment(base: Mapping[str, str]) -> dict[str, str]:
    # The child must find this very package, installed or not.
    package = os.fspath(Path(wiz_kernel_ext.__file__).parents[1])
    paths = [package, *filter(None, base.get("PYTHONPATH", "").split(os.pathsep))]
    return {**base, "PYTHONPATH": os.pathsep.join(paths)}


async def _tail(stream: asyncio.StreamReader) -> str:
    """The last of what is said there, read to its end so that the speaker never waits."""
    tail = b""
    while data := await stream.read(65536):
        tail = (tail + data)[-_N_STDERR_BYTES:]
    return tail.decode(errors="replace")


def _without_tokens(text: str, environment: Mapping[str, str] | None) -> str:
    token = (os.environ if environment is None else environment).get("HF_TOKEN", "")
    if token:
        text = text.replace(token, "hf_…")
    return re.sub(r"hf_[A-Za-z0-9]{8,}", "hf_…", text)


async def _end(child: asyncio.subprocess.Process) -> None:
    """Call the child off (the end of its input), and kill it if it does not hear."""
    assert child.stdin is not None
    child.stdin.close()
    try:
        await asyncio.wait_for(child.wait(), _END_TIMEOUT_S)
    except asyncio.TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()
