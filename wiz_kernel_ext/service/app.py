"""The service put together: its locks, its places, its parts, and the order they start and end in.

It holds the lifetime lock for life, so that a client can tell the living from the dead; it writes
the connection file last and removes it first.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time

import psutil
from msgspec import structs

import wiz_kernel_ext
from wiz_kernel_ext.configuration.reading import configured_limits
from wiz_kernel_ext.errors import ServiceError, ServiceStartFailed, ServiceStopping
from wiz_kernel_ext.hub.collections import Collections
from wiz_kernel_ext.models.library import Library
from wiz_kernel_ext.models.machine import this_machine
from wiz_kernel_ext.protocol.codec import PROTOCOL_VERSION
from wiz_kernel_ext.protocol.events import Notice
from wiz_kernel_ext.protocol.requests import (
    Attach,
    AwaitChange,
    Cancel,
    GetOperation,
    GetStatus,
    ListOperations,
    StopService,
)
from wiz_kernel_ext.protocol.results import ServiceInfo
from wiz_kernel_ext.service.changes import Changes
from wiz_kernel_ext.service.clients import Clients
from wiz_kernel_ext.service.climb import Climb
from wiz_kernel_ext.service.crashes import OnCrash
from wiz_kernel_ext.service.embedding import Embedding
from wiz_kernel_ext.service.engine import Engine
from wiz_kernel_ext.service.giving_way import GivingWay
from wiz_kernel_ext.service.handlers.embedding import EmbeddingHandlers
from wiz_kernel_ext.service.handlers.models import ModelHandlers
from wiz_kernel_ext.service.handlers.routing import Router
from wiz_kernel_ext.service.handlers.service import ServiceHandlers
from wiz_kernel_ext.service.handlers.worker import WorkerHandlers
from wiz_kernel_ext.service.jobs import Jobs
from wiz_kernel_ext.service.load_check import LoadCheck
from wiz_kernel_ext.service.load_plan import LoadPlanner
from wiz_kernel_ext.service.loads import Loads
from wiz_kernel_ext.service.operations import Operations
from wiz_kernel_ext.service.presence import Presence
from wiz_kernel_ext.service.prompting import Prompting
from wiz_kernel_ext.service.records import Records
from wiz_kernel_ext.service.sessions import Sessions
from wiz_kernel_ext.service.snapshots import SnapshotFolders
from wiz_kernel_ext.service.spawning import spawn_worker
from wiz_kernel_ext.service.supervisor import Supervisor
from wiz_kernel_ext.service.worker_process import Emit, WorkerProcess
from wiz_kernel_ext.settings import Settings
from wiz_kernel_ext.store.former_database import begin_with_former
from wiz_kernel_ext.transport.endpoints import (
    ConnectionInfo,
    Places,
    choose_endpoint,
    places,
)
from wiz_kernel_ext.transport.keys import KeyPair
from wiz_kernel_ext.transport.locks import start_lock
from wiz_kernel_ext.transport.python_environment import (
    installed_version,
    known_environment,
    note_engine,
)
from wiz_kernel_ext.transport.server import CommServer, ServerComm
from wiz_kernel_ext.transport.zmq_links import ZmqServerLink

SETTLE_TIMEOUT_S = 1.0
TICK_S = 1.0
# What was taken away is back before somebody who misses it has started another service.
LOOK_S = 0.25
DRAIN_POLL_S = 0.05
LATECOMERS_S = 0.3
"""Who found it before it made room, and asks only now, is told to ask the next one."""
# What runs can be seen to its end while nothing new is taken.
DURING_DRAIN = frozenset(
    request.target
    for request in (
        Attach,
        AwaitChange,
        Cancel,
        GetOperation,
        GetStatus,
        ListOperations,
        StopService,
    )
)

log = logging.getLogger(__name__)


class Service:
    """The running service; `run` returns when it has ended."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.places: Places = places(settings)
        self.places.create()
        self.places.check_owners()
        self._stopping = asyncio.Event()
        self._draining: asyncio.Task[None] | None = None
        self._started_at = time.time()
        self._environment = known_environment(self.places.engines_file)
        self._last_asked = time.monotonic()
        self._presence = Presence(self.places)

    async def run(self) -> None:
        """Serve until stopped, signalled or idle; raises ServiceStartFailed if one runs already."""
        self._presence.hold(self.settings.start_wait_s / 2)
        begin_with_former(self.places.database_file)
        records = self._records = Records(self.places.database_file)
        await records.start()
        router = self._assemble(records)
        keys = KeyPair.generate()
        link = ZmqServerLink(choose_endpoint(self.places.socket_dir), keys)
        server = CommServer(link, lambda comm: self._handle(router, comm))
        serving = asyncio.create_task(server.serve())
        self._listen_to_signals()
        self._announced = (link, keys.public)
        self._announce()
        looking = asyncio.create_task(self._engine.look())
        try:
            await self._until_stopped()
        finally:
            self._presence.withdraw()
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
            if self._draining is not None:
                await asyncio.sleep(LATECOMERS_S)
            await self._operations.settle(SETTLE_TIMEOUT_S)
            await self._supervisor.close()
            await server.close()
            await serving
            await records.close()
            self._presence.leave()
            log.info("stopped")

    def _assemble(self, records: Records) -> Router:
        """The parts, put together."""
        self._snapshots = SnapshotFolders(
            self.places.snapshots_dir, self.settings.snapshots_gb, configured_limits
        )
        clients, sessions = Clients(), Sessions(records, self._snapshots)
        self._changes = changes = Changes()
        self._operations = Operations(records, on_change=changes.tell)

        def gone(model: str) -> None:
            clients.forget_model(model)
            changes.tell()

        self._engine = Engine(self.places.data_dir, self._note_engine)
        self._supervisor = Supervisor(
            self._spawn,
            keep_alive_s=self.settings.keep_alive_s,
            on_gone=gone,
            limits=configured_limits,
        )
        self._giving_way = GivingWay(self._supervisor)
        library = Library(self.places.data_dir, self.places.models_dir)
        jobs = Jobs(self._operations, library, self.places.models_dir, configured_limits)
        check = LoadCheck()
        climb = Climb(self._supervisor, library, check, configured_limits)
        loads = Loads(
            clients=clients,
            climb=climb,
            jobs=jobs,
            library=library,
            operations=self._operations,
            planner=LoadPlanner(check, configured_limits, climb.room_bytes, self._engine.found),
            sessions=sessions,
        )
        prompting = Prompting(
            clients=clients,
            sessions=sessions,
            supervisor=self._supervisor,
            operations=self._operations,
            climb=climb,
            loads=loads,
        )
        embedding = Embedding(
            clients=clients,
            operations=self._operations,
            prompting=prompting,
            sessions=sessions,
            supervisor=self._supervisor,
        )
        return Router(
            [
                EmbeddingHandlers(embedding=embedding).table(),
                WorkerHandlers(
                    clients=clients,
                    sessions=sessions,
                    supervisor=self._supervisor,
                    climb=climb,
                    loads=loads,
                    prompting=prompting,
                    jobs=jobs,
                ).table(),
                ModelHandlers(
                    library=library,
                    collections=Collections(self.places.data_dir),
                    jobs=jobs,
                    supervisor=self._supervisor,
                ).table(),
                ServiceHandlers(
                    records=records,
                    sessions=sessions,
                    operations=self._operations,
                    supervisor=self._supervisor,
                    jobs=jobs,
                    loads=loads,
                    changes=changes,
                    service_info=self.info,
                    look_at_devices=self._engine.look_at_devices,
                    stop=self._stop,
                ).table(),
            ],
            changes,
        )

    async def _spawn(self, emit: Emit, on_crash: OnCrash) -> WorkerProcess:
        installed = await asyncio.to_thread(installed_version)
        if installed != wiz_kernel_ext.__version__:
            emit(
                Notice(
                    text=f"wiz_kernel_ext was changed to {installed} under its service, which is "
                    f"{wiz_kernel_ext.__version__}: `wiz stop` ends it, and the next is of one "
                    "piece."
                )
            )
        worker = await spawn_worker(
            self.places,
            await self._engine.way(emit),
            on_crash,
            emit=emit,
            hung_after_s=self.settings.hung_after_s,
            on_change=self._changes.tell,
            snapshots=await asyncio.to_thread(self._snapshots.place),
        )
        try:
            await self._engine.meet(worker, emit)
        except asyncio.CancelledError:
            await worker.end()
            raise
        return worker

    def info(self) -> ServiceInfo:
        """What the status shows of this process."""
        machine = this_machine()
        return ServiceInfo(
            pid=os.getpid(),
            version=wiz_kernel_ext.__version__,
            connection_file=str(self.places.connection_file),
            name=self.settings.name,
            protocol=PROTOCOL_VERSION,
            started_at=self._started_at,
            memory_bytes=psutil.Process().memory_info().rss,
            memory_available_bytes=machine.available_bytes,
            memory_limit=machine.limit,
            log_file=str(self.places.log_file),
            database=str(self.places.database_file),
            executable=self._environment.executable,
            engine=self._engine.info,
            notice=self._records.untold.text,
        )

    async def _handle(self, router: Router, comm: ServerComm) -> object:
        if self._stopping.is_set():
            raise ServiceStopping("The service is stopping.")
        if self._draining is not None and comm.target not in DURING_DRAIN:
            raise ServiceStopping("The service makes room for a newer one.")
        # Waiting for a change is not using the service: a panel left open does not keep it.
        asked = comm.target != AwaitChange.target
        self._last_asked = time.monotonic() if asked else self._last_asked
        try:
            return await router.handle(comm)
        finally:
            self._last_asked = time.monotonic() if asked else self._last_asked

    def _note_engine(self, usable: bool) -> None:
        """An environment whose engine is of no use makes room for one whose engine is."""
        if usable == self._environment.has_engine:
            return
        self._environment = structs.replace(self._environment, has_engine=usable)
        try:
            note_engine(self.places.engines_file, self._environment)
        except ServiceError as error:
            log.warning("%s", error)
        # Who is on its way out has taken the file away, for good.
        if self._presence.is_announced and not self._stopping.is_set():
            self._announce()

    def _announce(self) -> None:
        link, server_key = self._announced
        info = self._connection_info(link.endpoint, server_key)
        self._presence.announce(info, link, self._environment)

    def _connection_info(self, endpoint: str, server_key: str) -> ConnectionInfo:
        return ConnectionInfo(
            endpoint=endpoint,
            server_key=server_key,
            pid=os.getpid(),
            version=wiz_kernel_ext.__version__,
            protocol=PROTOCOL_VERSION,
            name=self.settings.name,
            host=self.places.host,
            started_at=self._started_at,
            log_file=str(self.places.log_file),
            executable=self._environment.executable,
            has_engine=self._environment.has_engine,
        )

    def _listen_to_signals(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stopping.set)
        # An interrupt is meant for a notebook; this process is nobody's foreground.
        loop.add_signal_handler(signal.SIGINT, lambda: None)

    def _stop(self, *, drained: bool) -> None:
        if not drained:
            self._stopping.set()
        elif self._draining is None:
            self._draining = asyncio.create_task(self._drain())

    async def _drain(self) -> None:
        """Take nothing new, and stop when what runs has ended, or has had its time."""
        log.info("making room: %d operations are running", len(self._operations.running()))
        deadline = time.monotonic() + self.settings.drain_wait_s
        while self._operations.running() and time.monotonic() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(DRAIN_POLL_S)
        self._stopping.set()

    async def _until_stopped(self) -> None:
        next_tick = time.monotonic() + TICK_S
        while not self._stopping.is_set():
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), min(LOOK_S, TICK_S))
            if self._stopping.is_set() or not await self._presence.look(self._records.put_back):
                break
            if time.monotonic() < next_tick:
                continue
            next_tick = time.monotonic() + TICK_S
            await self._supervisor.unload_expired()
            self._supervisor.shorten_logs()
            await self._giving_way.look()
            if self._idle() and self._withdraw():
                log.info("idle for %.0f s: stopping", self.settings.idle_exit_s)
                self._stopping.set()

    def _idle(self) -> bool:
        unused_s = time.monotonic() - self._last_asked
        busy = len(self._supervisor) or self._operations.running()
        limit_s = self.settings.idle_exit_s
        return not busy and 0 <= limit_s < unused_s

    def _withdraw(self) -> bool:
        """Take the connection file away, unless a client is about to use it."""
        try:
            with start_lock(self.places.start_lock_file, timeout_s=0.0):
                self._presence.withdraw()
                return True
        except ServiceStartFailed:
            return False
