"""An in-process worker's engine where it cannot be in the process: in a child that answers for it.

Some builds die in a program that loaded another C++ library before them (`docs/processors.md`); in
a process of its own, where the engine comes first, the same build is right. The child is the
service's kind of worker. It hangs on this process, and is asked from any event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
import weakref
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from wiz_kernel_ext.children.ending import describe_exit, not_started
from wiz_kernel_ext.engine.environment import worker_environment
from wiz_kernel_ext.engine.way import Way
from wiz_kernel_ext.errors import ServiceStopping, WorkerDied
from wiz_kernel_ext.protocol.codec import decode
from wiz_kernel_ext.protocol.events import AnyEvent, CancelThis
from wiz_kernel_ext.protocol.requests import AnyRequest, result_type
from wiz_kernel_ext.transport.client import CommClient
from wiz_kernel_ext.transport.endpoints import choose_endpoint
from wiz_kernel_ext.transport.introduction import introduce
from wiz_kernel_ext.transport.keys import KeyPair
from wiz_kernel_ext.transport.zmq_links import ZmqClientLink
from wiz_kernel_ext.worker.call import Call

T = TypeVar("T")

START_TIMEOUT_S = 60.0
END_TIMEOUT_S = 5.0


class EngineInChild:
    """A worker's process of this program; `begin` starts it, `end` or the program's end ends it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="wiz-engine-child", daemon=True
        )
        self._thread.start()
        self._client: CommClient | None = None
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """The process id; 0 before it has begun."""
        return self._process.pid if self._process else 0

    async def begin(self, way: Way, socket_dir: Path) -> None:
        """Start it, the engine being used in that `way`. Raises WorkerDied."""
        await self._on_its_loop(self._begin(way, socket_dir))
        assert self._process is not None
        self._unheld = weakref.finalize(self, _stop, self._loop, self._thread, self._process)

    async def handle(self, request: AnyRequest, call: Call) -> Any:
        """What `request` ends in; its events go to `call`. Raises its error, or WorkerDied."""
        if not self._thread.is_alive():
            raise ServiceStopping("The worker is closed.", hint="Make a new one.")
        return await self._on_its_loop(self._ask(request, call))

    async def end(self) -> None:
        """End it; a second time changes nothing."""
        await asyncio.to_thread(self._unheld)

    async def _on_its_loop(self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    async def _begin(self, way: Way, socket_dir: Path) -> None:
        try:
            process = self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "wiz_kernel_ext.worker"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=worker_environment(os.environ, way),
            )
        except OSError as error:
            raise not_started("The engine is not started", error) from error
        keys = KeyPair.generate()
        try:
            endpoint = await asyncio.wait_for(
                introduce(process, choose_endpoint(socket_dir), keys, way), START_TIMEOUT_S
            )
        except (asyncio.TimeoutError, asyncio.CancelledError):
            await _kill(process)
            raise
        if not endpoint:
            await process.wait()
            raise self._death()
        self._client = CommClient(ZmqClientLink(endpoint, keys.public, "program"), lost=self._death)
        await self._client.start()
        self._watch = asyncio.create_task(self._watched(process))

    async def _watched(self, process: asyncio.subprocess.Process) -> None:
        await process.wait()
        if self._client is not None:
            self._client.fail(self._death())
            await self._client.close()

    async def _ask(self, request: AnyRequest, call: Call) -> Any:
        assert self._client is not None
        comm = await self._client.open(request.target, request)
        asked: set[asyncio.Task[None]] = set()

        def cancel() -> None:
            asked.add(self._loop.create_task(comm.send(CancelThis())))

        def soon() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: so is the comm
                self._loop.call_soon_threadsafe(cancel)

        call.on_cancel(soon)
        try:
            async for data in comm:
                call.emit(decode(data, AnyEvent))  # type: ignore[arg-type]
            return decode(await comm.result(), result_type(type(request)))
        except asyncio.CancelledError:
            await comm.close()
            raise

    def _death(self) -> WorkerDied:
        returncode = self._process.returncode if self._process else None
        return WorkerDied(
            f"The engine's process (pid {self.pid}) {describe_exit(returncode)}.",
            hint="Make another LlamaWorker; `wiz doctor` looks at the engine.",
        )


async def _kill(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()


def _stop(
    loop: asyncio.AbstractEventLoop,
    thread: threading.Thread,
    process: asyncio.subprocess.Process,
) -> None:
    """End the process, then the loop that heard it, and everything that still ran there."""

    async def stop() -> None:
        await _kill(process)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.wait(others, timeout=1.0) if others else None
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    with contextlib.suppress(Exception):
        asyncio.run_coroutine_threadsafe(stop(), loop).result(END_TIMEOUT_S)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(END_TIMEOUT_S)
    loop.close()
