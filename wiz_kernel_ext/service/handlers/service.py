"""The `service:*` requests: operations, conversations and the service itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from wiz_kernel_ext.errors import BadRequest, Conflict
from wiz_kernel_ext.protocol import requests as r
from wiz_kernel_ext.protocol.load_plan import LoadPlan
from wiz_kernel_ext.protocol.results import (
    OperationInfo,
    ServiceInfo,
    SessionDetail,
    SessionInfo,
    SessionMessage,
    Status,
)
from wiz_kernel_ext.service.changes import Changes
from wiz_kernel_ext.service.event_stream import see_through
from wiz_kernel_ext.service.handlers.routing import Handlers, handles
from wiz_kernel_ext.service.jobs import Jobs
from wiz_kernel_ext.service.loads import Loads
from wiz_kernel_ext.service.operations import Operation, Operations
from wiz_kernel_ext.service.records import Records, operation_info
from wiz_kernel_ext.service.sessions import Sessions, session_info
from wiz_kernel_ext.service.supervisor import Supervisor
from wiz_kernel_ext.service.worker_process import WorkerProcess
from wiz_kernel_ext.transport.server import ServerComm

N_STATUS_OPERATIONS = 20
N_STATUS_SESSIONS = 20


@dataclass(frozen=True)
class ServiceHandlers(Handlers):
    """`service:attach` to `service:stop`."""

    records: Records
    sessions: Sessions
    operations: Operations
    supervisor: Supervisor
    jobs: Jobs
    loads: Loads
    changes: Changes
    service_info: Callable[[], ServiceInfo]
    look_at_devices: Callable[[list[WorkerProcess]], Awaitable[None]]
    stop: Callable[..., None]

    @handles(r.Attach)
    async def attach(self, comm: ServerComm, request: r.Attach) -> Any:
        """service:attach."""
        operation = await self._operation(request.operation_id)
        return await see_through(comm, operation, request.from_seq)

    @handles(r.Load)
    async def load(self, comm: ServerComm, request: r.Load) -> Any:
        """service:load."""
        return await see_through(comm, await self.loads.begin(request, comm.client))

    @handles(r.PlanLoad)
    async def plan_load(self, comm: ServerComm, request: r.PlanLoad) -> LoadPlan:
        """service:planLoad."""
        return await self.loads.plan(request, comm.client)

    @handles(r.Cancel)
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

    @handles(r.DiscardDownload)
    async def discard(self, comm: ServerComm, request: r.DiscardDownload) -> int:
        """service:discardDownload."""
        operation = await self._operation(request.operation_id)
        if operation.kind != "download":
            raise BadRequest(
                f"{operation.id} is no download.",
                hint="`wiz ops` lists the operations there are.",
                field="operationId",
            )
        try:
            return await self.jobs.discard(operation)
        finally:
            # It is given up, even where the hub cannot be asked what its parts are called.
            await self.records.call(
                self.records.operations.forget, operation.kind, operation.title, operation.id
            )

    @handles(r.GetStatus)
    async def status(self, comm: ServerComm, request: r.GetStatus) -> Status:
        """service:status."""
        workers = self.supervisor.all()
        free = [one.process for one in workers if one.model is not None and not one.n_running]
        await self.look_at_devices(free)
        return Status(
            service=self.service_info(),
            workers=[worker.info() for worker in self.supervisor.all()],
            operations=await self.list_operations(
                comm, r.ListOperations(limit=N_STATUS_OPERATIONS)
            ),
            sessions=await self.sessions.list(N_STATUS_SESSIONS),
        )

    @handles(r.ListOperations)
    async def list_operations(
        self, comm: ServerComm, request: r.ListOperations
    ) -> list[OperationInfo]:
        """service:listOperations."""
        session = await self.sessions.find(request.session) if request.session else None
        rows = await self.records.call(
            self.records.operations.list, request.limit, session.id if session else None
        )
        current = [*self.records.waiting(), *self.operations.running()]
        live = {
            operation.id: operation.info()
            for operation in current
            if session is None or operation.session_id == session.id
        }
        infos = [live.pop(kept.id) if kept.id in live else operation_info(kept) for kept in rows]
        if len(rows) < request.limit:  # they are all, so the others are not written yet
            infos = [*reversed(live.values()), *infos][: request.limit]
        return infos

    @handles(r.GetOperation)
    async def get_operation(self, comm: ServerComm, request: r.GetOperation) -> OperationInfo:
        """service:getOperation."""
        operation = await self._operation(request.operation_id)
        info, title, text = operation.info(), operation.title, operation.text
        return msgspec.structs.replace(info, title=title, text=text)

    @handles(r.OpenSession)
    async def open_session(self, comm: ServerComm, request: r.OpenSession) -> SessionInfo:
        """service:openSession."""
        adapters = await self.loads.adapters(request.adapters)
        row = await self.sessions.open(msgspec.structs.replace(request, adapters=adapters))
        return session_info(row)

    @handles(r.GetSession)
    async def get_session(self, comm: ServerComm, request: r.GetSession) -> SessionDetail:
        """service:getSession."""
        return await self.sessions.detail(request.session)

    @handles(r.ListSessions)
    async def list_sessions(self, comm: ServerComm, request: r.ListSessions) -> list[SessionInfo]:
        """service:listSessions."""
        return await self.sessions.list(request.limit)

    @handles(r.DeleteSession)
    async def delete_session(self, comm: ServerComm, request: r.DeleteSession) -> SessionInfo:
        """service:deleteSession."""
        return await self.sessions.delete(request.session)

    @handles(r.RenameSession)
    async def rename_session(self, comm: ServerComm, request: r.RenameSession) -> SessionInfo:
        """service:renameSession."""
        row = await self.sessions.find(request.session)
        await self.records.call(self.records.sessions.rename, row.id, request.name)
        return session_info(await self.sessions.find(row.id))

    @handles(r.DropLastTurn)
    async def drop_last_turn(
        self, comm: ServerComm, request: r.DropLastTurn
    ) -> Sequence[SessionMessage]:
        """service:dropLastTurn."""
        return await self.sessions.drop_last_turn(request.session)

    @handles(r.AwaitChange)
    async def await_change(self, comm: ServerComm, request: r.AwaitChange) -> int:
        """service:awaitChange."""
        return await self.changes.wait(request.seen, request.timeout_s)

    @handles(r.StopService)
    async def stop_service(self, comm: ServerComm, request: r.StopService) -> ServiceInfo:
        """service:stop: the answer goes out first."""
        if request.when == "free":
            if len(self.supervisor) or self.operations.running():
                raise Conflict("The service is in use.", hint="Stop it with `wiz stop`.")
            self.stop(drained=True)  # at once: nothing may begin between the look and the stop
        else:
            stop = partial(self.stop, drained=request.when == "drained")
            asyncio.get_running_loop().call_soon(stop)
        return self.service_info()

    async def _operation(self, operation_id: str) -> Operation:
        """The operation, running or kept; raises OperationNotFound."""
        operation = self.operations.get(operation_id)
        return operation or await self.records.restore(operation_id)
