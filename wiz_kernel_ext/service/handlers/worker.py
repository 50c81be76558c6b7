"""The original's eight `worker:*` requests: passed on to the worker of the client's model."""

from __future__ import annotations

import asyncio
import platform
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import wiz_kernel_ext
from wiz_kernel_ext.errors import (
    BadRequest,
    ContextNotLoaded,
    ModelFileNotFound,
    NotPermitted,
    WorkerDied,
)
from wiz_kernel_ext.models.identity import identify
from wiz_kernel_ext.protocol import requests as r
from wiz_kernel_ext.protocol.prompt_views import Count, ShownPrompt, ShowPrompt
from wiz_kernel_ext.protocol.results import ContextInfo, RuntimeInfo, UnloadInfo
from wiz_kernel_ext.service.clients import Clients
from wiz_kernel_ext.service.climb import Climb
from wiz_kernel_ext.service.event_stream import see_through
from wiz_kernel_ext.service.handlers.routing import Handlers, handles
from wiz_kernel_ext.service.jobs import Jobs
from wiz_kernel_ext.service.loads import Loads
from wiz_kernel_ext.service.prompting import Prompting
from wiz_kernel_ext.service.sessions import Sessions
from wiz_kernel_ext.service.supervisor import Supervisor, Worker
from wiz_kernel_ext.transport.server import ServerComm

RUNTIME_TIMEOUT_S = 1.0


@dataclass(frozen=True)
class WorkerHandlers(Handlers):
    """`worker:initialize` to `worker:downloadModel`."""

    clients: Clients
    sessions: Sessions
    supervisor: Supervisor
    climb: Climb
    loads: Loads
    prompting: Prompting
    jobs: Jobs

    @handles(r.Initialize)
    async def initialize(self, comm: ServerComm, request: r.Initialize) -> RuntimeInfo:
        """worker:initialize."""
        self.clients[comm.client].defaults = request
        workers = self.supervisor.all()
        engine = await self._runtime(workers)
        versions = {
            "wiz_kernel_ext": wiz_kernel_ext.__version__,
            **_engine_version(),
            "python": platform.python_version(),
        }
        return RuntimeInfo(
            versions={**(engine.versions if engine else {}), **versions},
            devices=engine.devices if engine else [],
            gpu_offload=engine.gpu_offload if engine else False,
            loaded=[worker.path for worker in workers],
        )

    @handles(r.LoadModel)
    async def load_model(self, comm: ServerComm, request: r.LoadModel) -> Any:
        """worker:loadModel."""
        return await see_through(comm, await self.loads.begin_model(request, comm.client))

    @handles(r.CreateContext)
    async def create_context(self, comm: ServerComm, request: r.CreateContext) -> ContextInfo:
        """worker:createContext."""
        state = self.clients[comm.client]
        key = await self._named(request.model_path) or state.model
        info = await self.climb.create_context(key, request)
        if key is not None:
            state.contexts.add(key)
        return info

    @handles(r.InitializeSession)
    async def initialize_session(self, comm: ServerComm, request: r.InitializeSession) -> str:
        """worker:initializeSession."""
        state = self.clients[comm.client]
        worker = self.supervisor.get(await self._named(request.model_path) or state.model)
        if worker.key not in state.contexts:
            raise ContextNotLoaded()
        adapters = await self.loads.adapters(request.adapters)
        row = await self.sessions.begin(request.session, request.system_prompt, adapters)
        state.session_id, state.model = row.id, worker.key
        return row.id

    @handles(r.Prompt)
    async def prompt(self, comm: ServerComm, request: r.Prompt) -> Any:
        """worker:prompt."""
        return await see_through(comm, await self.prompting.begin(request, comm.client))

    @handles(r.SendPrompt)
    async def send_prompt(self, comm: ServerComm, request: r.SendPrompt) -> str:
        """worker:sendPrompt."""
        operation = await self.prompting.begin(request, comm.client)
        return operation.id

    @handles(ShowPrompt)
    async def show(self, comm: ServerComm, request: ShowPrompt) -> ShownPrompt:
        """worker:show."""
        return await self.prompting.show(request, comm.client)

    @handles(Count)
    async def count(self, comm: ServerComm, request: Count) -> int:
        """worker:count."""
        return await self.prompting.count(request, comm.client)

    @handles(r.UnloadModel)
    async def unload_model(self, comm: ServerComm, request: r.UnloadModel) -> UnloadInfo:
        """worker:unloadModel."""
        state = self.clients[comm.client]
        key = await self._loaded(request.model_path) or state.model
        if key is None and (only := self.supervisor.only(hint="Name it: `wiz unload MODEL`.")):
            key = only.key
        loading = [worker.key for worker in self.supervisor.all() if worker.model is None]
        if key is None and len(loading) == 1:
            key = loading[0]
        return await self.supervisor.unload(key, comm.client, force=request.force)

    @handles(r.DownloadModel)
    async def download_model(self, comm: ServerComm, request: r.DownloadModel) -> Any:
        """worker:downloadModel."""
        return await see_through(comm, await self.jobs.download(request, comm.client))

    async def _runtime(self, workers: list[Worker]) -> RuntimeInfo | None:
        """What a worker says of the engine; none where none is free to answer soon."""
        for worker in sorted(workers, key=lambda one: (one.model is None, one.n_running)):
            with suppress(asyncio.TimeoutError, WorkerDied):
                return await asyncio.wait_for(worker.process.initialize(), RUNTIME_TIMEOUT_S)
        return None

    async def _loaded(self, model_path: str | None) -> str | None:
        """As `_named`, also where the file is gone or another, or called as the status does."""
        known = self.supervisor.named(model_path or "")
        try:
            key = await self._named(model_path)
        except (ModelFileNotFound, NotPermitted, BadRequest):
            if known is None:
                raise
            return known.key
        return key if key is None or known is None or self.supervisor.find(key) else known.key

    async def _named(self, model_path: str | None) -> str | None:
        if not model_path:
            return None
        return (await asyncio.to_thread(lambda: identify(self.loads.locate(model_path)))).key


def _engine_version() -> dict[str, str]:
    """The version of what is installed here; nothing where nothing is."""
    try:
        return {"llama-cpp-python": version("llama-cpp-python")}
    except PackageNotFoundError:
        return {}
