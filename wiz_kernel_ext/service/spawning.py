"""Starting a llama worker: by command line, on a private socket, hanging on this process.

The worker gets its endpoint and its secret key on standard input, where no other user can read
them, and answers with the endpoint it listens at.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from wiz_kernel_ext.children.child import ignore
from wiz_kernel_ext.children.ending import not_started
from wiz_kernel_ext.engine.environment import worker_environment
from wiz_kernel_ext.engine.way import AS_IT_IS, Way
from wiz_kernel_ext.errors import WizError, WorkerDied
from wiz_kernel_ext.log_file import last_lines
from wiz_kernel_ext.out_of_memory import MemoryKills
from wiz_kernel_ext.protocol.events import Notice
from wiz_kernel_ext.service.crashes import OnCrash, nothing_known
from wiz_kernel_ext.service.memory_advice import LESS, RAN_OUT
from wiz_kernel_ext.service.worker_process import N_LOG_LINES, Emit, WorkerProcess
from wiz_kernel_ext.transport.client import CommClient
from wiz_kernel_ext.transport.endpoints import Places, choose_endpoint
from wiz_kernel_ext.transport.introduction import SnapshotPlace, introduce
from wiz_kernel_ext.transport.keys import KeyPair
from wiz_kernel_ext.transport.zmq_links import ZmqClientLink

START_TIMEOUT_S = 60.0
SLOW_START_S = 8.0
N_LOGS_KEPT = 10

log = logging.getLogger(__name__)


async def spawn_worker(
    where: Places,
    way: Way = AS_IT_IS,
    on_crash: OnCrash = nothing_known,
    *,
    emit: Emit = ignore,
    hung_after_s: float = 0.0,
    on_change: Callable[[], object] = ignore,
    snapshots: SnapshotPlace | None = None,
) -> WorkerProcess:
    """A running worker that answers, its engine used in that `way`.

    `emit` hears where that takes long, `snapshots` is where it keeps conversations' states, the
    others as in `WorkerProcess`. Raises WorkerDied if it does not come up.
    """
    log_file = _new_log(where)
    kills = MemoryKills()
    process = await _start(log_file, way)
    keys = KeyPair.generate()
    slow = asyncio.get_running_loop().call_later(SLOW_START_S, emit, _slow_start(process.pid))
    try:
        endpoint = await asyncio.wait_for(
            introduce(process, choose_endpoint(where.socket_dir), keys, way, snapshots),
            START_TIMEOUT_S,
        )
    except asyncio.TimeoutError:
        await _kill(process)
        raise _no_start(f"did not answer within {START_TIMEOUT_S:.0f} s", log_file) from None
    except asyncio.CancelledError:
        await _kill(process)
        raise
    finally:
        slow.cancel()
    if not endpoint:
        await process.wait()
        if process.returncode == -signal.SIGKILL and kills.happened():
            raise WorkerDied(f"The model's process was killed as it started: {RAN_OUT}.", hint=LESS)
        raise _no_start("ended as it started", log_file)
    client = CommClient(ZmqClientLink(endpoint, keys.public, "service"), lost=_worker_lost)
    try:
        await client.start()
    except asyncio.CancelledError:
        await _kill(process)
        raise
    return WorkerProcess(
        process,
        client,
        endpoint=endpoint,
        log_file=log_file,
        on_crash=on_crash,
        hung_after_s=hung_after_s,
        on_change=on_change,
        kills=kills,
        keeps_states=snapshots is not None,
    )


async def _start(log_file: Path, way: Way) -> asyncio.subprocess.Process:
    try:
        with log_file.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "wiz_kernel_ext.worker",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                cwd="/",
                env=worker_environment(os.environ, way),
            )
    except OSError as error:
        raise not_started("The model is not loaded", error) from error


async def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()


def _no_start(what: str, log_file: Path) -> WorkerDied:
    tail = last_lines(log_file, N_LOG_LINES)
    return WorkerDied(
        f"The model's process {what}: {tail[-1] if tail else 'it said nothing'}",
        hint="`jupyter wiz logs` tells more; `wiz doctor` looks at the engine.",
        log=tail,
    )


def _slow_start(pid: int) -> Notice:
    text = (
        f"The model's process (pid {pid}) has not answered for {SLOW_START_S:.0f} s since it was "
        f"started: a slow disk, a busy machine, or it is stopped. It is given "
        f"{START_TIMEOUT_S:.0f} s in all; a cancel ends it at once."
    )
    return Notice(text=text)


def _worker_lost() -> WizError:
    return WorkerDied("The connection to the model's process was lost.")


def _new_log(where: Places) -> Path:
    """A fresh log file for a worker; the oldest ones go. Nowhere, if the disk has no place."""
    try:
        where.worker_logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        for old in where.logs_of_workers()[:-N_LOGS_KEPT]:
            old.unlink(missing_ok=True)
        n = 1
        while (file := where.worker_log(f"{os.getpid()}-{n}")).exists():
            n += 1
        file.touch(mode=0o600)
    except OSError as error:
        log.warning("A worker has no log: %s", error)
        return Path(os.devnull)
    return file
