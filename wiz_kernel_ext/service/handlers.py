"""One handler per target: the original's `worker:*` requests, and the service's own.

Knows the requests and the parts that serve them, not the sockets: it is called with a comm whose
payload is still encoded, and what it returns, or raises, is the comm's one end.
"""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import msgspec

import wiz_kernel_ext
from wiz_kernel_ext.errors import (
    ContextNotLoaded,
    error_from_info,
)
from wiz_kernel_ext.protocol import requests as r
from wiz_kernel_ext.protocol.codec import decode_request
from wiz_kernel_ext.protocol.results import (
    ContextInfo,
    OperationInfo,
    RuntimeInfo,
    ServiceInfo,
    SessionDetail,
    SessionInfo,
    SessionMessage,
    Status,
    UnloadInfo,
)
from wiz_kernel_ext.service.changes import Changes
from wiz_kernel_ext.service.clients import Clients
from wiz_kernel_ext.service.downloading import begin_download
from wiz_kernel_ext.service.following import follow
from wiz_kernel_ext.service.loading import Loading
from wiz_kernel_ext.service.operations import Operation, Operations
from wiz_kernel_ext.service.prompting import Prompting
from wiz_kernel_ext.service.records import Records, operation_info
from wiz_kernel_ext.service.sessions import Sessions, session_info
from wiz_kernel_ext.service.supervisor import Supervisor, model_key
from wiz_kernel_ext.transport.server import ServerComm

N_STATUS_OPERATIONS = 20
N_STATUS_SESSIONS = 20

Answerer = Callable[[ServerComm, Any], Awaitable[Any]]


@dataclass(frozen=True)
class Handlers:
    """The service's handlers; `handle` is what the comm server calls."""

    clients: Clients
    records: Records
    sessions: Sessions
    operations: Operations
    supervisor: Supervisor
    loading: Loading
    prompting: Prompting
    changes: Changes
    service_info: Callable[[], ServiceInfo]
    stop: Callable[[], None]

    async def handle(self, comm: ServerComm) -> Any:
        """Decode the payload and answer it."""
        request = decode_request(comm.target, comm.payload)
        answer: Answerer = getattr(self, HANDLERS[type(request)])
        try:
            return await answer(comm, request)
        finally:
            if isinstance(request, CHANGING):
                self.changes.tell()

    async def initialize(self, comm: ServerComm, request: r.Initialize) -> RuntimeInfo:
        """worker:initialize."""
        self.clients[comm.client].defaults = request
        workers = self.supervisor.all()
        engine = await workers[0].process.initialize() if workers else None
        versions = {
            "wiz_kernel_ext": wiz_kernel_ext.__version__,
            "llama-cpp-python": version("llama-cpp-python"),
            "python": platform.python_version(),
        }
        return RuntimeInfo(
            versions={**(engine.versions if engine else {}), **versions},
            devices=engine.devices if engine else [],
            gpu_offload=engine.gpu_offload if engine else False,
            loaded=[worker.path for worker in workers],
        )

    async def load_model(self, comm: ServerComm, request: r.LoadModel) -> Any:
        """worker:loadModel."""
        state = self.clients[comm.client]
        return await self._see_through(comm, await self.loading.begin(request, comm.client, state))

    async def create_context(self, comm: ServerComm, request: r.CreateContext) -> ContextInfo:
        """worker:createContext."""
        state = self.clients[comm.client]
        key = self._named(request.model_path) or state.model
        info = await self.loading.create_context(key, request)
        if key is not None:
            state.contexts.add(key)
        return info

    async def initialize_session(self, comm: ServerComm, request: r.InitializeSession) -> str:
        """worker:initializeSession."""
        state = self.clients[comm.client]
        worker = self.supervisor.get(self._named(request.model_path) or state.model)
        if worker.key not in state.contexts:
            raise ContextNotLoaded()
        row = await self.sessions.begin(request.session, request.system_prompt)
        state.session_id, state.model = row.id, worker.key
        return row.id

    async def prompt(self, comm: ServerComm, request: r.Prompt) -> Any:
        """worker:prompt."""
        return await self._see_through(comm, await self.prompting.begin(request, comm.client))

    async def send_prompt(self, comm: ServerComm, request: r.SendPrompt) -> str:
        """worker:sendPrompt."""
        operation = await self.prompting.begin(request, comm.client)
        return operation.id

    async def unload_model(self, comm: ServerComm, request: r.UnloadModel) -> UnloadInfo:
        """worker:unloadModel."""
        state = self.clients[comm.client]
        key = self._named(request.model_path) or state.model
        if key is None and len(self.supervisor) == 1:
            key = self.supervisor.all()[0].key
        return await self.supervisor.unload(key, comm.client, force=request.force)

    async def download_model(self, comm: ServerComm, request: r.DownloadModel) -> Any:
        """worker:downloadModel."""
        operation = await begin_download(request, comm.client, self.operations)
        return await self._see_through(comm, operation)

    async def attach(self, comm: ServerComm, request: r.Attach) -> Any:
        """service:attach."""
        operation = await self._operation(request.operation_id)
        return await self._see_through(comm, operation, request.from_seq)

    async def cancel(self, comm: ServerComm, request: r.Cancel) -> list[str]:
        """service:cancel."""
        if request.operation_id is not None:
            operation = await self._operation(request.operation_id)
            chosen = [] if operation.ended else [operation]
        elif request.session is not None:
            row = await self.sessions.find(request.session)
            chosen = [op for op in self.operations.running() if op.session_id == row.id]
        else:
            chosen = [op for op in self.operations.running() if op.client == comm.client]
        for operation in chosen:
            operation.cancel()
        return [operation.id for operation in chosen]

    async def status(self, comm: ServerComm, request: r.GetStatus) -> Status:
        """service:status."""
        return Status(
            service=self.service_info(),
            workers=[worker.info() for worker in self.supervisor.all()],
            operations=await self.list_operations(
                comm, r.ListOperations(limit=N_STATUS_OPERATIONS)
            ),
            sessions=await self.sessions.list(N_STATUS_SESSIONS),
        )

    async def list_operations(
        self, comm: ServerComm, request: r.ListOperations
    ) -> list[OperationInfo]:
        """service:listOperations."""
        row = await self.sessions.find(request.session) if request.session else None
        rows = await self.records.call(
            self.records.operations.list, request.limit, row.id if row else None
        )
        live = {operation.id: operation.info() for operation in self.operations.running()}
        infos = [live.get(row.id) or operation_info(row) for row in rows]
        # A list of long answers would be a heavy message; one operation is asked for its text.
        return [msgspec.structs.replace(info, text="") for info in infos]

    async def get_operation(self, comm: ServerComm, request: r.GetOperation) -> OperationInfo:
        """service:getOperation."""
        operation = await self._operation(request.operation_id)
        return msgspec.structs.replace(operation.info(), title=operation.title)

    async def open_session(self, comm: ServerComm, request: r.OpenSession) -> SessionInfo:
        """service:openSession."""
        row = await self.sessions.open(request)
        return session_info(row)

    async def get_session(self, comm: ServerComm, request: r.GetSession) -> SessionDetail:
        """service:getSession."""
        return await self.sessions.detail(request.session)

    async def list_sessions(self, comm: ServerComm, request: r.ListSessions) -> list[SessionInfo]:
        """service:listSessions."""
        return await self.sessions.list(request.limit)

    async def delete_session(self, comm: ServerComm, request: r.DeleteSession) -> SessionInfo:
        """service:deleteSession."""
        return await self.sessions.delete(request.session)

    async def drop_last_turn(
        self, comm: ServerComm, request: r.DropLastTurn
    ) -> Sequence[SessionMessage]:
        """service:dropLastTurn."""
        return await self.sessions.drop_last_turn(request.session)

    async def await_change(self, comm: ServerComm, request: r.AwaitChange) -> int:
        """service:awaitChange."""
        return await self.changes.wait(request.seen, request.timeout_s)

    async def stop_service(self, comm: ServerComm, request: r.StopService) -> ServiceInfo:
        """service:stop: the answer goes out first."""
        asyncio.get_running_loop().call_soon(self.stop)
        return self.service_info()

    async def _see_through(self, comm: ServerComm, operation: Operation, from_seq: int = 0) -> Any:
        """Send the operation's events on the comm; its outcome is the comm's."""
        await follow(comm, operation, from_seq)
        end = operation.end
        if end.error is not None:
            raise error_from_info(end.error)
        return end.result

    async def _operation(self, operation_id: str) -> Operation:
        """The operation, running or kept; raises OperationNotFound."""
        operation = self.operations.get(operation_id)
        return operation or await self.records.restore(operation_id)

    def _named(self, model_path: str | None) -> str | None:
        return model_key(self.loading.locate(model_path)) if model_path else None


HANDLERS: dict[type[r.Request], str] = {
    r.Initialize: "initialize",
    r.LoadModel: "load_model",
    r.CreateContext: "create_context",
    r.InitializeSession: "initialize_session",
    r.Prompt: "prompt",
    r.SendPrompt: "send_prompt",
    r.UnloadModel: "unload_model",
    r.DownloadModel: "download_model",
    r.Attach: "attach",
    r.Cancel: "cancel",
    r.GetStatus: "status",
    r.ListOperations: "list_operations",
    r.GetOperation: "get_operation",
    r.OpenSession: "open_session",
    r.GetSession: "get_session",
    r.ListSessions: "list_sessions",
    r.DeleteSession: "delete_session",
    r.DropLastTurn: "drop_last_turn",
    r.AwaitChange: "await_change",
    r.StopService: "stop_service",
}

# What changes something without being an operation.
CHANGING = (
    r.CreateContext,
    r.InitializeSession,
    r.UnloadModel,
    r.OpenSession,
    r.DeleteSession,
    r.DropLastTurn,
)
