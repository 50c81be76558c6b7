"""The service that runs, if one does, and its workers: their versions, and whether they live."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator

import psutil

import wiz_kernel_ext
from wiz_kernel_ext.client import AsyncClient
from wiz_kernel_ext.doctor.finding import Around, Finding, failed
from wiz_kernel_ext.errors import WizError
from wiz_kernel_ext.log_file import last_lines
from wiz_kernel_ext.protocol.codec import PROTOCOL_VERSION
from wiz_kernel_ext.protocol.results import Status
from wiz_kernel_ext.sizes import size
from wiz_kernel_ext.transport.discovery import find
from wiz_kernel_ext.transport.endpoints import ConnectionInfo, read_connection
from wiz_kernel_ext.transport.locks import is_held

ANSWER_TIMEOUT_S = 5.0
RECENT_S = 7 * 86400.0
N_LOG_LINES = 2000
_CRASH = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\S* ERROR \S+: worker (\d+): (.*)$")
_STUCK = {
    psutil.STATUS_STOPPED: "is stopped",
    psutil.STATUS_TRACING_STOP: "is stopped by a debugger",
    psutil.STATUS_ZOMBIE: "is gone",
    psutil.STATUS_DISK_SLEEP: "waits for a disk that does not answer",
}


def service(around: Around) -> Iterator[Finding]:
    """Whether it runs, is of this version and answers; and its workers, where it does."""
    try:
        is_there, info = is_held(around.where.alive_file), find(around.where)
    except WizError as error:
        yield failed("service", error)
        return
    if not is_there:
        yield Finding(about="service", text="is not running: it starts by itself when needed")
        return
    if info is None:
        yield Finding(
            about="service",
            state="must",
            text=f"runs, and {around.where.connection_file} that leads to it is missing",
            remedy=f"Wait a moment; if it stays so, end the process that holds "
            f"{around.where.alive_file} (fuser {around.where.alive_file}).",
        )
        return
    yield from _of_version(info)
    try:
        status = asyncio.run(_status(around))
    except (WizError, asyncio.TimeoutError):
        yield Finding(
            about="service",
            state="must",
            text=f"pid {info.pid} {_stuck(info.pid) or 'does not answer'}",
            remedy="`wiz stop` ends it, whatever it is doing.",
        )
        return
    text = f"pid {info.pid} answers, {size(status.service.memory_bytes)}, log: {info.log_file}"
    yield Finding(about="service", text=text)
    yield from _workers(status)


def others(around: Around) -> Iterator[Finding]:
    """Other services of this user on this host: each has models in memory of its own."""
    where = around.where
    for file in sorted(where.runtime_dir.glob("wiz-*.json")):
        info = read_connection(file)
        if info is None or info.host != where.host or file == where.connection_file:
            continue
        if is_held(file.with_suffix(".alive")):
            yield Finding(
                about="other service",
                state="note",
                text=f"{info.name}, pid {info.pid}, version {info.version}",
                remedy=f"If it is not wanted: WIZ_SERVICE={info.name} jupyter wiz stop",
            )


def last_crash(around: Around) -> Iterator[Finding]:
    """The last time that a model's process died at work, where that is not long ago."""
    for line in reversed(last_lines(around.where.log_file, N_LOG_LINES)):
        if found := _CRASH.match(line):
            at = time.mktime(time.strptime(found[1], "%Y-%m-%d %H:%M:%S"))
            if time.time() - at < RECENT_S:
                yield Finding(
                    about="last crash",
                    state="note",
                    text=f"{found[1]}: a model's process (pid {found[2]}) {found[3]}",
                    remedy="`jupyter wiz logs` has its last words; a smaller context (--ctx) or "
                    "quantization takes less memory.",
                )
            return


def _of_version(info: ConnectionInfo) -> Iterator[Finding]:
    own = wiz_kernel_ext.__version__
    if info.protocol != PROTOCOL_VERSION:
        yield Finding(
            about="versions",
            state="must",
            text=f"the service is {info.version} and speaks protocol {info.protocol}; this is "
            f"{own}, protocol {PROTOCOL_VERSION}",
            remedy="`wiz stop` ends it, and the next call starts the newer one.",
        )
    elif info.version != own:
        yield Finding(
            about="versions",
            state="note",
            text=f"the service is {info.version}, run by {info.executable}; this is {own}",
            remedy="`wiz stop` ends it, and the next call starts the newer one.",
        )
    else:
        yield Finding(about="versions", text=f"service and client are {own}")


async def _status(around: Around) -> Status:
    client = AsyncClient(around.settings, start=False)
    try:
        return await asyncio.wait_for(client.status(), ANSWER_TIMEOUT_S)
    finally:
        await client.close()


def _workers(status: Status) -> Iterator[Finding]:
    for worker in status.workers:
        about, name = "worker", f"{worker.model} (pid {worker.pid})"
        stuck = _stuck(worker.pid)
        if not stuck and worker.silent_s:
            stuck = f"has work, and made no progress for {worker.silent_s:.0f} s"
        if stuck:
            yield Finding(
                about=about,
                state="must",
                text=f"{name} {stuck}",
                remedy=f"`wiz unload {worker.model_path} --force` ends it; load it again.",
            )
        else:
            doing = f", {worker.n_running} prompts" if worker.n_running else ""
            yield Finding(about=about, text=f"{name}: {size(worker.memory_bytes)}{doing}")


def _stuck(pid: int) -> str:
    """What keeps a process from going on; "" where nothing is known to."""
    try:
        return _STUCK.get(psutil.Process(pid).status(), "")
    except psutil.NoSuchProcess:
        return "is gone"
    except psutil.Error:
        return ""
