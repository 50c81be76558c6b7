"""One llama worker as the service sees it: a child process and a comm client to it.

Knows how a worker is started, asked, watched and ended. The worker's standard input is the rope it
hangs on: when this process dies, in whatever way, the worker reads its end and ends itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import psutil

from wiz_kernel_ext.children.child import ignore
from wiz_kernel_ext.children.ending import describe_exit, signal_name
from wiz_kernel_ext.children.libraries import native_libraries
from wiz_kernel_ext.errors import OperationCancelled, WizError, WorkerDied, WorkerHung
from wiz_kernel_ext.log_file import last_lines, shorten
from wiz_kernel_ext.out_of_memory import MemoryKills, says_no_memory
from wiz_kernel_ext.protocol.codec import decode
from wiz_kernel_ext.protocol.events import AnyEvent, CancelThis
from wiz_kernel_ext.protocol.pulse import PULSE, Pulse
from wiz_kernel_ext.protocol.requests import (
    AnyRequest,
    CreateContext,
    Initialize,
    LoadModel,
    Prompt,
    Request,
    UnloadModel,
)
from wiz_kernel_ext.protocol.results import AnswerInfo, ContextInfo, ModelInfo, RuntimeInfo
from wiz_kernel_ext.service.crashes import REPEATED_HINT, Crash, OnCrash, Stage, nothing_known
from wiz_kernel_ext.service.memory_advice import RAN_OUT, smaller
from wiz_kernel_ext.service.progress import look_at
from wiz_kernel_ext.service.worker_watch import Asked, OnSilence, Reason, WorkerWatch
from wiz_kernel_ext.transport.client import ClientComm, CommClient
from wiz_kernel_ext.transport.endpoints import remove_socket

log = logging.getLogger(__name__)

T = TypeVar("T")
Emit = Callable[[AnyEvent], None]
Take = Callable[[msgspec.Raw], None]
OnCancel = Callable[[Callable[[], None]], None]

WRITE_TIMEOUT_S = 3.0
TERM_TIMEOUT_S = 1.0
KILL_TIMEOUT_S = 1.0
CANCEL_TIMEOUT_S = 1.0
"""Who cancels waits no longer for the worker to say how that ended."""
N_LOG_LINES = 12
MAX_LOG_BYTES = 8 << 20
_CRASHES = {
    "SIGABRT": "llama.cpp stopped itself",
    "SIGSEGV": "a crash inside llama.cpp",
    "SIGILL": "this build of llama.cpp does not fit this CPU",
}


class WorkerProcess:
    """A running worker; every open request ends with WorkerDied when its process does.

    `on_crash` is told of its death while it worked, and knows whether that is a repetition;
    `hung_after_s` and `on_change` as in `WorkerWatch`; `keeps_states`: it has something to write to
    the disk before it ends.
    """

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        client: CommClient,
        *,
        endpoint: str,
        log_file: Path,
        on_crash: OnCrash = nothing_known,
        hung_after_s: float = 0.0,
        on_change: Callable[[], object] = ignore,
        kills: MemoryKills | None = None,
        keeps_states: bool = False,
    ) -> None:
        self._process = process
        self._client = client
        self._endpoint = endpoint
        self._log_file = log_file
        self._on_crash = on_crash
        self._kills = kills or MemoryKills()
        self._keeps_states = keeps_states
        self._path = ""
        self._context: ContextInfo | CreateContext = CreateContext()
        self._stage: Stage | None = None
        self._libraries: list[str] = []
        self._n_open = 0
        self._reason: Reason | None = None
        self._repeats = False
        self._over = asyncio.Event()
        self._ending: set[asyncio.Task[None]] = set()
        self._progress = WorkerWatch(
            self._pulse,
            lambda pulse: look_at(self.pid, pulse),
            self._end_soon,
            hung_after_s=hung_after_s,
            on_change=on_change,
        )
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

    @property
    def silent_s(self) -> float:
        """Seconds without progress though it has work; 0 until that is worth a word."""
        return self._progress.silent_s

    def shorten_log(self) -> None:
        """Keep its log within bounds, however much a library prints."""
        shorten(self._log_file, MAX_LOG_BYTES)

    async def initialize(self) -> RuntimeInfo:
        """Wait until it answers; raises WorkerDied if it never does."""
        return await self._ask("start", Initialize(), RuntimeInfo)

    async def load(
        self, request: LoadModel, emit: Emit, on_cancel: OnCancel, on_silence: OnSilence = ignore
    ) -> ModelInfo:
        """Pass `worker:loadModel` on."""
        # Now, since nobody can ask a dead process which library it died of.
        self._path = request.model_path or ""
        self._libraries = await asyncio.to_thread(native_libraries, self.pid)
        take = _decoding(emit)
        info = await self._ask("load", request, ModelInfo, take, on_cancel, on_silence)
        return msgspec.structs.replace(info, worker_pid=self.pid)

    async def create_context(
        self, request: CreateContext, emit: Emit, on_silence: OnSilence = ignore
    ) -> ContextInfo:
        """Pass `worker:createContext` on."""
        take = _decoding(emit)
        self._context = request
        info = await self._ask("context", request, ContextInfo, take, on_silence=on_silence)
        self._context = info
        return info

    async def prompt(
        self, request: Prompt, take: Take, on_cancel: OnCancel, on_silence: OnSilence = ignore
    ) -> AnswerInfo:
        """Pass `worker:prompt` on; `take` gets its events as they come, encoded.

        Raises OperationCancelled where it was cancelled and the worker has not said how it ended.
        """
        return await self._ask("prompt", request, AnswerInfo, take, on_cancel, on_silence)

    async def embed(
        self,
        request: AnyRequest,
        result: type[T],
        take: Take,
        on_cancel: OnCancel,
        on_silence: OnSilence = ignore,
    ) -> T:
        """Pass `worker:embed` or `worker:rerank` on, which ends in a `result`; as `prompt`."""
        return await self._ask("embed", request, result, take, on_cancel, on_silence)

    async def look(self, request: Request[T], result: type[T]) -> T:
        """Pass a request on that is answered beside what it computes."""
        return await self._ask("prompt", request, result)

    async def wait(self) -> None:
        """Return when the process is gone, or going for good."""
        await self._over.wait()

    async def end(self, reason: Reason = "unloaded") -> None:
        """End the process: politely, then not. One that makes no progress is not asked first."""
        self._reason = self._reason or reason
        if reason == "unloaded" and not self.silent_s and not look_at(self.pid, None).is_stopped:
            await self._let_write()
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            await asyncio.wait({self._gone}, timeout=TERM_TIMEOUT_S)
        if not self._gone.done():
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await asyncio.wait({self._gone}, timeout=KILL_TIMEOUT_S)
        if not self._gone.done():
            # It hangs in the system, in a read of a disk that does not answer: it will end when
            # that does, and nobody is to wait for it.
            log.error("worker %d cannot be ended", self.pid)
            self._over.set()
            self._client.fail(self._death())

    async def _let_write(self) -> None:
        """Let one that has nothing else to do write what is not on the disk yet."""
        has_states = self._keeps_states and isinstance(self._context, ContextInfo)
        if not has_states or self._n_open or self._over.is_set():
            return
        with contextlib.suppress(WizError, asyncio.TimeoutError):
            await asyncio.wait_for(self._unload(), WRITE_TIMEOUT_S)

    async def _unload(self) -> None:
        comm = await self._client.open(UnloadModel.target, UnloadModel(force=True))
        try:
            await comm.result()
        except asyncio.CancelledError:
            await comm.close()
            raise

    def _end_soon(self, reason: Reason) -> None:
        log.error("worker %d makes no progress: it is ended (%s)", self.pid, reason)
        self._reason = self._reason or reason
        self._over.set()  # nobody is to ask it any more
        task = asyncio.create_task(self.end(reason))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _pulse(self) -> Pulse:
        comm = await self._client.open(PULSE, {})
        try:
            return decode(await comm.result(), Pulse)
        except asyncio.CancelledError:
            await comm.close()
            raise

    async def _ask(
        self,
        stage: Stage,
        request: AnyRequest,
        result: type[T],
        take: Take | None = None,
        on_cancel: OnCancel | None = None,
        on_silence: OnSilence = ignore,
    ) -> T:
        if self._over.is_set():
            raise self._death()
        comm = await self._client.open(request.target, request)
        asked = Asked(stage, on_silence)
        cancelling = _Cancelling(comm, asked)
        self._stage = stage
        self._n_open += 1
        self._progress.enter(asked)
        if on_cancel is not None:
            on_cancel(cancelling.begin)
        try:
            return await self._follow(comm, result, take)
        except asyncio.CancelledError:
            await comm.close()
            raise
        except OperationCancelled:
            if asked.is_given_up:
                raise OperationCancelled("Cancelled.") from None
            raise
        finally:
            cancelling.done()
            self._n_open -= 1
            self._progress.leave(asked)

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
        self._over.set()
        if self._reason is None:
            self.lacked_memory = await asyncio.to_thread(self._look_for_memory)
        if self._n_open and self._reason in (None, "hung") and self._stage is not None:
            self._crash = Crash(self._stage, self._cause(), self._advice())
            self._repeats = self._on_crash(self._crash)
        self._client.fail(self._death())
        await self._progress.close()
        await self._client.close()
        remove_socket(self._endpoint)
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _cause(self) -> str:
        if self._reason == "hung":
            return "made no progress any more, and was ended"
        reasons = dict.fromkeys(("SIGKILL", "SIGABRT"), RAN_OUT) if self.lacked_memory else {}
        return describe_exit(self._process.returncode, {**_CRASHES, **reasons})

    def _death(self) -> WizError:
        if self._reason == "unloaded":
            return WorkerDied(
                "The model was unloaded while it was working.",
                hint="Load it again, or just run it again.",
                cause="unloaded",
            )
        if self._reason == "given up":
            return WorkerDied(
                "The model's process made no progress when its last prompt was cancelled, and was "
                "ended.",
                cause="given up",
            )
        cause = self._cause()
        kind = WorkerHung if self._reason == "hung" else WorkerDied
        tail = last_lines(self._log_file, N_LOG_LINES)
        last = f" Last engine line: {tail[-1]}" if tail else ""
        log.error("worker %d: %s", self.pid, cause)
        details: dict[str, Any] = {}
        if kind is WorkerHung:
            details["stage"] = self._stage
        elif self._stage == "load" and signal_name(self._process.returncode or 0) in _CRASHES:
            details["libraries"] = self._libraries
            names = [path.rpartition("/")[2] for path in self._libraries]
            last = f" It had loaded {', '.join(names)}.{last}" if names else last
        doing = f", {self._crash.doing}" if self._crash is not None else ""
        again = " It did so at the same place before." if self._repeats else ""
        return kind(
            f"The model's process (pid {self.pid}) {cause}{doing}.{again}{last}",
            hint=self._advice() or (REPEATED_HINT if self._repeats else None),
            cause=cause,
            log=tail,
            pid=self.pid,
            **details,
        )

    def _advice(self) -> str:
        if not self.lacked_memory or not self._path:
            return ""
        context, weights = self._context, self._stage == "load"
        return smaller(self._path, context.context_size, context.sequences, weights=weights)

    def _look_for_memory(self) -> bool:
        if self._process.returncode == -signal.SIGKILL:
            return self._kills.happened()
        return says_no_memory(last_lines(self._log_file, N_LOG_LINES))


class _Cancelling:
    """Tells the worker that its asker cancels, and waits only so long for what it says to that."""

    def __init__(self, comm: ClientComm, asked: Asked) -> None:
        self._comm = comm
        self._asked = asked
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._is_done = False

    def begin(self) -> None:
        """The asker cancels; nothing once it has ended."""
        if self._is_done:
            return
        self._start(self._comm.send(CancelThis()))
        self._timer = asyncio.get_running_loop().call_later(CANCEL_TIMEOUT_S, self._give_up)

    def done(self) -> None:
        """It has ended."""
        self._is_done = True
        if self._timer is not None:
            self._timer.cancel()

    def _give_up(self) -> None:
        self._asked.is_given_up = True
        self._start(self._comm.close())

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _decoding(emit: Emit) -> Take:
    return lambda data: emit(decode(data, AnyEvent))  # type: ignore[arg-type]
