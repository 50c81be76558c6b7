"""The llama workers: one process per loaded model, started, watched, shared and ended here.

Knows processes and the wire to them, not operations or sessions. A worker that dies takes its
open requests with it as `WorkerDied`, with the cause and its last log lines; the service lives on.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

from msgspec.structs import replace

from wiz_kernel_ext.children.child import ignore
from wiz_kernel_ext.configuration.limits import Limits, at_most, no_limits
from wiz_kernel_ext.errors import BadRequest, Conflict, ModelNotLoaded, WizError
from wiz_kernel_ext.models.context_memory import context_bytes
from wiz_kernel_ext.models.headers import files_bytes
from wiz_kernel_ext.protocol.requests import CreateContext, LoadModel
from wiz_kernel_ext.protocol.results import ContextInfo, ModelInfo, UnloadInfo, WorkerInfo
from wiz_kernel_ext.service.crashes import Crashes, OnCrash
from wiz_kernel_ext.service.limits import context_within
from wiz_kernel_ext.service.memory_advice import MEMORY_WAS_LOW, RAN_OUT
from wiz_kernel_ext.service.worker_process import Emit, OnCancel, WorkerProcess
from wiz_kernel_ext.service.worker_watch import OnSilence

log = logging.getLogger(__name__)

Spawn = Callable[[Emit, OnCrash], Awaitable[WorkerProcess]]


def _context_bytes(path: str, context: ContextInfo) -> int:
    try:
        return context_bytes(Path(path), context) if path else 0
    except WizError as error:
        log.debug("memory of %s: %s", path, error)
        return 0


class Worker:
    """One loaded (or loading) model and the process that holds it."""

    def __init__(self, key: str, path: str, process: WorkerProcess, clock: Callable[[], float]):
        self.key = key
        self.path = path
        self.process = process
        self.model: ModelInfo | None = None
        self.context: ContextInfo | None = None
        self.keep_alive_s = 0.0
        self.kv_bytes = 0
        self.draft_bytes = 0
        self.n_loads = 0
        self.wanted_by = ""
        self.users: Counter[str] = Counter()
        self.lock = asyncio.Lock()
        self._clock = clock
        self.last_used = clock()

    def enter(self, client: str) -> None:
        """`client` has a prompt here."""
        self.users[client] += 1

    def leave(self, client: str) -> None:
        """One prompt of `client` has ended."""
        self.users[client] -= 1
        self.last_used = self._clock()

    @property
    def n_running(self) -> int:
        """Prompts under way, those that wait for a sequence too."""
        return self.users.total()

    def idle_s(self) -> float:
        """Seconds since it was last used; 0 while it is."""
        return 0.0 if self.n_running or self.lock.locked() else self._clock() - self.last_used

    def expired(self) -> bool:
        """Whether it was not used for its keep-alive, since it was loaded."""
        is_kept = self.model is None or self.keep_alive_s < 0
        return not is_kept and self.idle_s() > self.keep_alive_s

    def busy_for_others(self, client: str) -> int:
        """Prompts of clients other than `client`."""
        return self.n_running - self.users[client]

    @property
    def name(self) -> str:
        """The model's own name, as people read it."""
        return (self.model.name if self.model else "") or Path(self.path).stem

    def info(self) -> WorkerInfo:
        """What the status shows; more prompts than sequences wait for one."""
        n_sequences = self.context.sequences if self.context else 0
        return WorkerInfo(
            pid=self.process.pid,
            model=self.name,
            model_path=self.path,
            loads=self.n_loads,
            draft=self.model.draft if self.model else "",
            context=self.context.context_size if self.context else None,
            sequences=self.context.sequences if self.context else None,
            threads=self.context.threads if self.context else None,
            memory_bytes=self.process.memory_bytes(),
            weights_bytes=self.model.size_bytes + self.draft_bytes if self.model else 0,
            kv_bytes=self.kv_bytes,
            n_running=min(self.n_running, n_sequences),
            n_queued=max(0, self.n_running - n_sequences),
            idle_s=self.idle_s(),
            silent_s=self.process.silent_s,
            keep_alive_s=self.keep_alive_s,
        )


class Supervisor:
    """The workers of this service, by model key."""

    def __init__(
        self,
        spawn: Spawn,
        *,
        keep_alive_s: float,
        on_gone: Callable[[str], None] = lambda key: None,
        clock: Callable[[], float] = time.monotonic,
        limits: Callable[[], Limits] = no_limits,
    ) -> None:
        self._spawn = spawn
        self._limits = limits
        self._keep_alive_s = keep_alive_s
        self._on_gone = on_gone
        self._clock = clock
        self._workers: dict[str, Worker] = {}
        self._loads: Counter[str] = Counter()
        self._watches: set[asyncio.Task[None]] = set()
        self._locks: dict[str, asyncio.Lock] = {}
        self.crashes = Crashes()
        self.departures: dict[str, str] = {}
        """Why a model went that nobody unloaded, by its key, until it is loaded again."""

    def __len__(self) -> int:
        return len(self._workers)

    def all(self) -> list[Worker]:
        """The workers there are, oldest first."""
        return list(self._workers.values())

    def get(self, key: str | None) -> Worker:
        """The worker that holds the model; raises ModelNotLoaded."""
        worker = self._workers.get(key) if key is not None else None
        if worker is None or worker.model is None:
            raise ModelNotLoaded()
        return worker

    def only(self, *, hint: str) -> Worker | None:
        """The worker that is meant where nobody said which, None where no model is loaded.

        Raises BadRequest where there are several; `hint` is how to say which.
        """
        workers = [worker for worker in self.all() if worker.model is not None]
        if len(workers) > 1:
            raise BadRequest(
                f"Which model? {len(workers)} are loaded: {', '.join(w.name for w in workers)}.",
                hint=hint,
                field="modelPath",
            )
        return workers[0] if workers else None

    def named(self, name: str) -> Worker | None:
        """The worker whose model is shown as `name`, or has that path or file name."""
        for worker in self.all():
            if name in (worker.name, worker.path, Path(worker.path).name, Path(worker.path).stem):
                return worker
        return None

    def find(self, key: str) -> Worker | None:
        """The worker of that key, loaded or loading."""
        return self._workers.get(key)

    def locked(self, key: str) -> asyncio.Lock:
        """The lock of a model: who holds it may start, load, change or end its worker."""
        return self._locks.setdefault(key, asyncio.Lock())

    def idle(self) -> list[Worker]:
        """Loaded models that nobody uses, changes or wants kept for good."""
        return [
            worker
            for worker in self.all()
            if worker.model is not None
            and worker.keep_alive_s >= 0
            and not worker.n_running
            and not self.locked(worker.key).locked()
        ]

    async def start(self, key: str, path: Path, emit: Emit, client: str = "") -> Worker:
        """A worker for the model, with nothing loaded yet; `client` wants it."""
        limits = await asyncio.to_thread(self._limits)
        process = await self._spawn(emit, lambda crash: self.crashes.note(key, crash))
        worker = Worker(key, str(path), process, self._clock)
        worker.keep_alive_s = at_most(self._keep_alive_s, limits.max_keep_alive_s)
        worker.wanted_by = client
        self._workers[key] = worker
        watch = asyncio.create_task(self._watch(worker))
        self._watches.add(watch)
        watch.add_done_callback(self._watches.discard)
        return worker

    async def load(
        self,
        worker: Worker,
        request: LoadModel,
        emit: Emit = ignore,
        on_cancel: OnCancel = ignore,
        on_silence: OnSilence = ignore,
    ) -> ModelInfo:
        """Load the model of `worker`, or share it; see `LoadModel`."""
        info = await worker.process.load(request, emit, on_cancel, on_silence)
        if worker.model is None:
            self._loads[worker.key] += 1
        worker.n_loads = self._loads[worker.key]
        worker.model = replace(info, shared=False)
        draft = Path(info.draft) if info.draft else None
        worker.draft_bytes = await asyncio.to_thread(files_bytes, draft) if draft else 0
        self.departures.pop(worker.key, None)
        if request.keep_alive_s is not None:
            worker.keep_alive_s = request.keep_alive_s
        worker.last_used = self._clock()
        return info

    async def create_context(
        self,
        worker: Worker,
        request: CreateContext,
        emit: Emit = ignore,
        on_silence: OnSilence = ignore,
    ) -> ContextInfo:
        """Create the context of `worker`'s model, or share it; raises LimitExceeded."""
        async with worker.lock:
            if worker.model is not None:
                limits = await asyncio.to_thread(self._limits)
                request = context_within(limits, request, worker.model)
            info = await worker.process.create_context(request, emit, on_silence)
            worker.context = replace(info, shared=False)
            both = (worker.path, worker.model.draft if worker.model else "")
            kv_bytes = [await asyncio.to_thread(_context_bytes, path, info) for path in both]
            worker.kv_bytes = sum(kv_bytes)
            worker.last_used = self._clock()
            return info

    async def unload(self, key: str | None, client: str, *, force: bool) -> UnloadInfo:
        """End the process of a model, also of one that loads; others' only if forced.

        Raises ModelNotLoaded, Conflict.
        """
        worker = self.find(key) if key is not None else None
        if worker is None:
            raise ModelNotLoaded()
        is_loading = worker.model is None or worker.lock.locked()
        if is_loading and client != worker.wanted_by and not force:
            raise Conflict(
                f"{worker.name} is being loaded for another.",
                hint="Wait for it, or unload it all the same with `--force`.",
            )
        others = worker.busy_for_others(client)
        if others and not force:
            prompts = "a prompt" if others == 1 else f"{others} prompts"
            raise Conflict(
                f"{worker.name} is answering {prompts} of others.",
                hint="Wait for them, or unload it all the same with `--force`.",
            )
        freed = worker.process.memory_bytes()
        await self.end(worker)
        return UnloadInfo(model_path=worker.path, freed_bytes=freed)

    async def unload_expired(self) -> None:
        """Unload what was not used for its keep-alive."""
        for worker in self.all():
            if worker.expired() and not self.locked(worker.key).locked():
                log.info("unloading %s: idle for %.0f s", worker.path, worker.idle_s())
                await self.end(worker)

    def shorten_logs(self) -> None:
        """Keep every worker's log within bounds."""
        for worker in self.all():
            worker.process.shorten_log()

    async def give_way(self, worker: Worker) -> None:
        """Unload an idle model since memory is low; its user is told when it comes back."""
        self.departures[worker.key] = f"{worker.name} had been unloaded: {MEMORY_WAS_LOW}."
        await self.end(worker)

    async def close(self) -> None:
        """End every worker."""
        await asyncio.gather(*(self.end(worker) for worker in self.all()))

    async def end(self, worker: Worker) -> None:
        """End the process of a worker, and forget it."""
        self._drop(worker)
        await worker.process.end()

    async def _watch(self, worker: Worker) -> None:
        await worker.process.wait()
        if worker.process.lacked_memory:
            self.departures[worker.key] = f"{worker.name} had been ended: {RAN_OUT}."
        self._drop(worker)

    def _drop(self, worker: Worker) -> None:
        if self._workers.get(worker.key) is worker:
            del self._workers[worker.key]
            self._on_gone(worker.key)
