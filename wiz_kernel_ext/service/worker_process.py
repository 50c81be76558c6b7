"""One llama worker as the service sees it: a child process and a comm client to it.

Knows how a worker is started, asked, watched and ended. The worker's standard input is the rope it
hangs on: when this process dies, in whatever way, the worker reads its end and ends itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import psutil

from wiz_kernel_ext.children.ending import describe_exit
from wiz_kernel_ext.errors import WizError, WorkerDied
from wiz_kernel_ext.log_file import last_lines
from wiz_kernel_ext.out_of_memory import MemoryKills, says_no_memory
from wiz_kernel_ext.protocol.codec import decode
from wiz_kernel_ext.protocol.events import AnyEvent, CancelThis
from wiz_kernel_ext.protocol.requests import (
    AnyRequest,
    CreateContext,
    Initialize,
    LoadModel,
    Prompt,
)
from wiz_kernel_ext.protocol.results import AnswerInfo, ContextInfo, ModelInfo, RuntimeInfo
from wiz_kernel_ext.service.crashes import REPEATED_HINT, Crash, OnCrash, Stage, nothing_known
from wiz_kernel_ext.service.memory_advice import RAN_OUT, smaller
from wiz_kernel_ext.transport.client import ClientComm, CommClient
from wiz_kernel_ext.transport.endpoints import remove_socket

log = logging.getLogger(__name__)

T = TypeVar("T")
Emit = Callable[[AnyEvent], None]
Take = Callable[[msgspec.Raw], None]
OnCancel = Callable[[Callable[[], None]], None]

TERM_TIMEOUT_S = 1.0
N_LOG_LINES = 12
_CRASHES = {
    "SIGABRT": "llama.cpp stopped itself",
    "SIGSEGV": "a crash inside llama.cpp",
    "SIGILL": "this build of llama.cpp does not fit this CPU",
}


class WorkerProcess:
    """A running worker; every open request ends with WorkerDied when its process does.

    `on_crash` is told of its death while it worked, and knows whether that is a repetition.
    """

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        client: CommClient,
        *,
        endpoint: str,
        log_file: Path,
        on_crash: OnCrash = nothing_known,
        kills: MemoryKills | None = None,
    ) -> None:
        self._process = process
        self._client = client
        self._endpoint = endpoint
        self._log_file = log_file
        self._on_crash = on_crash
        self._kills = kills or MemoryKills()
        self._path = ""
        self._context: ContextInfo | CreateContext = CreateContext()
        self._stage: Stage | None = None
        self._n_open = 0
        self._ending = False
        self._repeats = False
        self._crash: Crash | None = None
        self.lacked_memory = False
        """Whether that is what it ended of."""
        self._gone = asyncio.create_task(self._watch())

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def memory_bytes(self) -> int:
        """Resident memory; 0 once it is gone."""
        try:
            return int(psutil.Process(self.pid).memory_info().rss)
        except psutil.Error:
            return 0

    async def initialize(self) -> RuntimeInfo:
        """Wait until it answers; raises WorkerDied if it never does."""
        return await self._ask("start", Initialize(), RuntimeInfo)

    async def load(self, request: LoadModel, emit: Emit, on_cancel: OnCancel) -> ModelInfo:
        """Pass `worker:loadModel` on."""
        self._path = request.model_path or ""
        info = await self._ask("load", request, ModelInfo, _decoding(emit), on_cancel)
        return msgspec.structs.replace(info, worker_pid=self.pid)

    async def create_context(self, request: CreateContext, emit: Emit) -> ContextInfo:
        """Pass `worker:createContext` on."""
        self._context = request
        info = await self._ask("context", request, ContextInfo, _decoding(emit))
        self._context = info
        return info

    async def prompt(self, request: Prompt, take: Take, on_cancel: OnCancel) -> AnswerInfo:
        """Pass `worker:prompt` on; `take` gets its events as they come, encoded."""
        return await self._ask("prompt", request, AnswerInfo, take, on_cancel)

    async def wait(self) -> None:
        """Return when the process is gone."""
        await asyncio.shield(self._gone)

    async def end(self) -> None:
        """End the process: politely, then not."""
        self._ending = True
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        done, _ = await asyncio.wait({self._gone}, timeout=TERM_TIMEOUT_S)
        if not done:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self.wait()

    async def _ask(
        self,
        stage: Stage,
        request: AnyRequest,
        result: type[T],
        take: Take | None = None,
        on_cancel: OnCancel | None = None,
    ) -> T:
        if self._gone.done():
            raise self._death()
        comm = await self._client.open(request.target, request)
        if on_cancel is not None:
            loop = asyncio.get_running_loop()
            pending: set[asyncio.Task[Any]] = set()

            def cancel() -> None:
                pending.add(loop.create_task(comm.send(CancelThis())))

            on_cancel(cancel)
        self._stage = stage
        self._n_open += 1
        try:
            return await self._follow(comm, result, take)
        except asyncio.CancelledError:
            await comm.close()
            raise
        finally:
            self._n_open -= 1

    async def _follow(self, comm: ClientComm, result: type[T], take: Take | None) -> T:
        async for data in comm:
            if take is not None:
                take(data)
        try:
            return decode(await comm.result(), result)
        except WorkerDied:
            # The broken socket is noticed before the process is reaped, which tells the cause.
            await asyncio.wait({self._gone}, timeout=TERM_TIMEOUT_S)
            raise self._death() from None

    async def _watch(self) -> None:
        await self._process.wait()
        if not self._ending:
            self.lacked_memory = await asyncio.to_thread(self._look_for_memory)
            if self._n_open and self._stage is not None:
                self._crash = Crash(self._stage, self._cause(), self._advice())
                self._repeats = self._on_crash(self._crash)
        self._client.fail(self._death())
        await self._client.close()
        remove_socket(self._endpoint)
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _death(self) -> WizError:
        if self._ending:
            return WorkerDied(
                "The model was unloaded while it was working.",
                hint="Load it again, or just run it again.",
                cause="unloaded",
            )
        cause = self._cause()
        tail = last_lines(self._log_file, N_LOG_LINES)
        last = f" Last engine line: {tail[-1]}" if tail else ""
        log.error("worker %d: %s", self.pid, cause)
        doing = f", {self._crash.doing}" if self._crash is not None else ""
        again = " It did so at the same place before." if self._repeats else ""
        return WorkerDied(
            f"The model's process (pid {self.pid}) {cause}{doing}.{again}{last}",
            hint=self._advice() or (REPEATED_HINT if self._repeats else None),
            cause=cause,
            log=tail,
            pid=self.pid,
        )

    def _cause(self) -> str:
        reasons = dict.fromkeys(("SIGKILL", "SIGABRT"), RAN_OUT) if self.lacked_memory else {}
        return describe_exit(self._process.returncode, {**_CRASHES, **reasons})

    def _advice(self) -> str:
        if not self.lacked_memory or not self._path:
            return ""
        context, weights = self._context, self._stage == "load"
        return smaller(self._path, context.context_size, context.sequences, weights=weights)

    def _look_for_memory(self) -> bool:
        if self._process.returncode == -signal.SIGKILL:
            return self._kills.happened()
        return says_no_memory(last_lines(self._log_file, N_LOG_LINES))


def _decoding(emit: Emit) -> Take:
    return lambda data: emit(decode(data, AnyEvent))  # type: ignore[arg-type]
