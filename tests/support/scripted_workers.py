"""A supervisor and a climb whose workers are scripted, with a clock and a memory to set."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from wiz_kernel_ext.errors import Conflict, WizError, WorkerDied
from wiz_kernel_ext.models.identity import identify
from wiz_kernel_ext.models.library import Library
from wiz_kernel_ext.protocol.hub import Fit
from wiz_kernel_ext.protocol.requests import CreateContext, LoadModel
from wiz_kernel_ext.protocol.results import ContextInfo, ModelInfo
from wiz_kernel_ext.service.climb import Climb, Ready, Wish
from wiz_kernel_ext.service.load_check import LoadCheck
from wiz_kernel_ext.service.operations import Operation
from wiz_kernel_ext.service.supervisor import Supervisor


class ScriptedProcess:
    """A worker process without a process."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.loaded: LoadModel | None = None
        self.context: CreateContext | None = None
        self.fails: Exception | None = None
        self.context_fails: Exception | None = None
        self.gone = asyncio.Event()
        self.n_asked = 0
        self.silent_s = 0.0
        self.lacked_memory = False

    def memory_bytes(self) -> int:
        return 1000

    async def load(self, request: LoadModel, emit: Any, on_cancel: Any, *_: Any) -> ModelInfo:
        self.n_asked += 1
        await asyncio.sleep(0)
        if self.gone.is_set():
            raise WorkerDied("dead")
        if self.fails is not None:
            raise self.fails
        shared, self.loaded = self.loaded is not None, self.loaded or request
        if shared and request.gpu_layers not in (None, self.loaded.gpu_layers):
            raise Conflict("other parameters", difference={"gpuLayers": [0, 1]})
        return ModelInfo(model_path=request.model_path or "", shared=shared, worker_pid=self.pid)

    async def create_context(self, request: CreateContext, emit: Any, *_: Any) -> ContextInfo:
        self.n_asked += 1
        await asyncio.sleep(0)
        if self.gone.is_set():
            raise WorkerDied("dead")
        if self.context_fails is not None:
            raise self.context_fails
        shared, self.context = self.context is not None, self.context or request
        size = self.context.context_size or 64
        if request.context_size not in (None, size):
            raise Conflict("another context", difference={"contextSize": [size, 0]})
        return ContextInfo(
            model_path="m", context_size=size, sequences=2, threads=1, batch_size=8, pool_size=128,
            shared=shared,
        )  # fmt: skip

    async def wait(self) -> None:
        await self.gone.wait()

    async def end(self) -> None:
        self.gone.set()


class SetMemory(LoadCheck):
    """Every model takes 100 bytes beside its context, which takes a byte a token."""

    def __init__(self, workers: Callable[[], int]) -> None:
        super().__init__(has_card=lambda: False)
        self.total_bytes = 1 << 40
        self._workers = workers

    def fit(self, path: Path, context: CreateContext, draft: Path | None = None) -> Fit:
        available = self.total_bytes - 1000 * self._workers()
        kv = context.context_size or 64
        least = (100 + kv) * (2 if draft else 1)
        return Fit(
            verdict="fits" if least <= available else "too big",
            basis="header",
            context_size=kv,
            weights_bytes=100,
            kv_bytes=kv,
            needed_bytes=least,
            least_bytes=least,
            available_bytes=available,
        )

    def refuse_too_large(self, path: Path, context: CreateContext, fit: Fit, **_: Any) -> None:
        if fit.kv_bytes > fit.available_bytes:
            raise WizError("too large")

    def refuse_too_big(self, name: str, fit: Fit, *, context: CreateContext, **_: Any) -> None:
        super().refuse_too_big(name, fit, context=context)


class Rig:
    """A supervisor whose processes and clock the test holds, and the climb on it."""

    def __init__(self, tmp_path: Path) -> None:
        self.folder = tmp_path
        self.path = self.file("m.gguf")
        self.now = 0.0
        self.processes: list[ScriptedProcess] = []
        self.gone: list[str] = []
        self.next_fails: Exception | None = None
        self.next_context_fails: Exception | None = None
        self.supervisor = Supervisor(
            self.spawn,  # type: ignore[arg-type]
            keep_alive_s=100.0,
            on_gone=self.gone.append,
            clock=lambda: self.now,
        )
        self.memory = SetMemory(lambda: len(self.supervisor))
        self.climb = Climb(self.supervisor, Library(tmp_path), self.memory)

    def file(self, name: str) -> Path:
        """A model's file."""
        path = self.folder / name
        path.write_bytes(b"GGUF" + name.encode())
        return path

    @property
    def key(self) -> str:
        return identify(self.path).key

    def alive(self) -> list[int]:
        """The processes that were not ended."""
        return [process.pid for process in self.processes if not process.gone.is_set()]

    async def spawn(self, emit: Any, on_crash: Any) -> ScriptedProcess:
        process = ScriptedProcess(1000 + len(self.processes))
        process.fails, process.context_fails = self.next_fails, self.next_context_fails
        self.processes.append(process)
        return process

    async def load(self, **options: Any) -> ModelInfo:
        """`worker:loadModel`, without a context."""
        wish = Wish(path=self.path, load=LoadModel(**options), context=None)
        async with self.climb.ready(Operation("load"), wish) as ready:
            return ready.model

    async def up(
        self,
        path: Path | None = None,
        context: int | None = None,
        operation: Operation | None = None,
        **options: Any,
    ) -> Ready:
        """A whole climb."""
        wish = Wish(
            path=path or self.path,
            load=LoadModel(**options),
            context=CreateContext(context_size=context),
        )
        async with self.climb.ready(operation or Operation("setup"), wish) as ready:
            return ready
