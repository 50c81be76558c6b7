"""`python -m wiz_kernel_ext.worker`: the process that holds one model for the service.

Reads one line on standard input, `{"endpoint": …, "secretKey": …, "way": …, "snapshots": …}`
(nobody else can read it there; `way` is how the engine is to be used, `snapshots` where
conversations' states are kept), answers with one line on standard output, the endpoint it listens
at, and then serves comms until its standard input ends: whoever started it is gone then, and no
orphan keeps a model in memory. The engine owns the main thread; sockets have
another. Standard error is the log, and so is all else that is printed on standard output.
"""

from __future__ import annotations

import os

if __name__ == "__main__":
    # Before any library can print: who started this process reads one line there, and a pipe that
    # nobody reads holds up whoever writes to it.
    _answers = os.dup(1)
    os.dup2(2, 1)

# Before all that links a C++ library: where libzmq comes first, some builds for CUDA die in every
# load. And before any thread: what cannot be imported ends the process in good order.
import wiz_kernel_ext.engine.llama.backend as llama

# isort: split
import asyncio
import logging
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import msgspec

from wiz_kernel_ext.engine.backend import Backend
from wiz_kernel_ext.engine.llama.log_tail import INFO
from wiz_kernel_ext.engine.llama.step import log_tail
from wiz_kernel_ext.engine.snapshots import SnapshotStore
from wiz_kernel_ext.engine.way import AS_IT_IS, Way
from wiz_kernel_ext.out_of_memory import go_first
from wiz_kernel_ext.transport.introduction import SnapshotPlace
from wiz_kernel_ext.transport.keys import KeyPair
from wiz_kernel_ext.transport.server import CommServer, ServerComm
from wiz_kernel_ext.transport.zmq_links import ZmqServerLink
from wiz_kernel_ext.worker.bridge import LlamaWorkerBridge
from wiz_kernel_ext.worker.engine_loop import EngineLoop
from wiz_kernel_ext.worker.llama_worker import LlamaWorker
from wiz_kernel_ext.worker.model_host import ModelHost

END_TIMEOUT_S = 0.5


class Introduction(msgspec.Struct, frozen=True, rename="camel"):
    """What the starter says first."""

    endpoint: str
    secret_key: str
    way: Way = AS_IT_IS
    snapshots: SnapshotPlace | None = None


def main(answers: int) -> None:
    """Serve until standard input ends; the line of answer goes to the descriptor `answers`."""
    go_first()
    # An interrupt in a terminal reaches the whole process group; SIGTERM keeps its default, which
    # ends the process at once, even inside the library.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    line = sys.stdin.buffer.readline()
    if not line:
        return
    introduction = msgspec.json.decode(line, type=Introduction)
    loop = EngineLoop()
    threading.Thread(target=_watch_stdin, args=(loop,), name="wiz-stdin", daemon=True).start()
    kept = introduction.snapshots
    store = SnapshotStore(Path(kept.folder), kept.most_bytes) if kept else None
    host = ModelHost(_logging_backend, way=introduction.way, store=store)
    worker = LlamaWorker(loop, host)
    serving = (introduction, worker, answers)
    threading.Thread(target=_serve, args=serving, name="wiz-io", daemon=True).start()
    host.backend  # noqa: B018 - the library is set up here, on its thread, before it is needed
    loop.run(host.step, host.at_rest)
    _end(0)


def _logging_backend() -> Backend:
    """llama.cpp, with all it says in this process's log: what a crash is explained with."""
    log_tail.least = INFO
    return llama.LlamaBackend()


def _serve(introduction: Introduction, worker: LlamaWorker, answers: int) -> None:
    """The I/O thread: comms, until the process ends."""

    async def serve() -> None:
        keys = KeyPair.from_secret(introduction.secret_key)
        link = ZmqServerLink(introduction.endpoint, keys)
        with os.fdopen(answers, "w") as answer:
            answer.write(link.endpoint + "\n")
        bridge, is_connected = LlamaWorkerBridge(worker), False

        async def handle(comm: ServerComm) -> Any:
            nonlocal is_connected
            if not is_connected:
                # The one who started this process is connected, and no other is to come: without
                # its file the socket leaves nothing behind, however the process ends.
                is_connected = True
                _remove_socket_file(link.endpoint)
            return await bridge(comm)

        await CommServer(link, handle).serve()

    try:
        asyncio.run(serve())
    except Exception:
        logging.exception("The worker's server failed")
        _end(1)


def _remove_socket_file(endpoint: str) -> None:
    scheme, _, path = endpoint.partition("://")
    if scheme == "ipc":
        Path(path).unlink(missing_ok=True)


def _watch_stdin(loop: EngineLoop) -> None:
    """End the process when its starter is gone, also in the middle of a step."""
    while sys.stdin.buffer.read(4096):
        pass
    logging.info("Standard input ended: so does this process")
    loop.stop()
    time.sleep(END_TIMEOUT_S)
    _end(0)


def _end(code: int) -> None:
    """Leave without waiting for threads: there is nothing here to save."""
    logging.shutdown()
    os._exit(code)


if __name__ == "__main__":
    main(_answers)
