"""Starting a llama worker: by command line, on a private socket, hanging on this process.

The worker gets its endpoint and its secret key on standard input, where no other user can read
them, and answers with the endpoint it listens at.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path

import msgspec

from wiz_kernel_ext.engine.environment import worker_environment
from wiz_kernel_ext.errors import WizError, WorkerDied
from wiz_kernel_ext.service.worker_process import WorkerProcess, tail_of
from wiz_kernel_ext.transport.client import CommClient
from wiz_kernel_ext.transport.endpoints import Places, choose_endpoint
from wiz_kernel_ext.transport.keys import KeyPair
from wiz_kernel_ext.transport.zmq_links import ZmqClientLink

START_TIMEOUT_S = 60.0
N_LOGS_KEPT = 10


async def spawn_worker(where: Places) -> WorkerProcess:
    """A running worker that answers; raises WorkerDied if it does not come up."""
    log_file = _new_log(where)
    with log_file.open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "wiz_kernel_ext.worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            cwd="/",
            env=worker_environment(os.environ),
        )
    keys = KeyPair.generate()
    try:
        endpoint = await asyncio.wait_for(
            _introduce(process, choose_endpoint(where.socket_dir), keys), START_TIMEOUT_S
        )
    except (asyncio.TimeoutError, OSError, asyncio.CancelledError):
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        raise
    if not endpoint:
        await process.wait()
        tail = tail_of(log_file)
        raise WorkerDied(
            f"The model's process could not start: {tail[-1] if tail else 'it said nothing'}",
            hint="`jupyter wiz logs` tells more; is llama-cpp-python installed for this Python?",
            log=tail,
        )
    client = CommClient(ZmqClientLink(endpoint, keys.public, "service"), lost=_worker_lost)
    await client.start()
    return WorkerProcess(process, client, endpoint=endpoint, log_file=log_file)


async def _introduce(process: asyncio.subprocess.Process, endpoint: str, keys: KeyPair) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(
        msgspec.json.encode({"endpoint": endpoint, "secretKey": keys.secret}) + b"\n"
    )
    await process.stdin.drain()
    return (await process.stdout.readline()).decode().strip()


def _worker_lost() -> WizError:
    return WorkerDied("The connection to the model's process was lost.")


def _new_log(where: Places) -> Path:
    """A fresh log file for a worker; the oldest ones go."""
    folder = where.data_dir / "logs"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    logs = sorted(folder.glob(f"worker-{where.name}-*.log"), key=lambda f: f.stat().st_mtime)
    for old in logs[:-N_LOGS_KEPT]:
        old.unlink(missing_ok=True)
    n = 1
    while (file := folder / f"worker-{where.name}-{os.getpid()}-{n}.log").exists():
        n += 1
    return file
