"""A client's connection to the service: made when first needed, made again after the service died.

Runs on the I/O thread's loop only. Knows requests and their one end, not what an operation is. It
is closed when nobody holds it any more; a forked process makes its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
import uuid
import weakref
from typing import Any

import msgspec

from wiz_kernel_ext.client.meeting import explained
from wiz_kernel_ext.client.reaching import (
    ANSWER_TIMEOUT_S,
    MAX_MEETINGS,
    STOP_TIMEOUT_S,
    ended,
    keep_for_next,
    reach,
    reach_running,
)
from wiz_kernel_ext.errors import (
    BadRequest,
    ServiceError,
    ServiceFull,
    ServiceStopping,
    WizError,
)
from wiz_kernel_ext.local_paths import located
from wiz_kernel_ext.protocol.adapters import read_adapters
from wiz_kernel_ext.protocol.codec import decode
from wiz_kernel_ext.protocol.requests import AnyRequest, DiscardDownload, Load, StopService
from wiz_kernel_ext.protocol.results import ServiceInfo
from wiz_kernel_ext.settings import Settings
from wiz_kernel_ext.surroundings import told_by_this_process
from wiz_kernel_ext.transport import descriptors
from wiz_kernel_ext.transport.client import ClientComm, CommClient
from wiz_kernel_ext.transport.discovery import has_ended
from wiz_kernel_ext.transport.endpoints import ConnectionInfo, places, read_connection
from wiz_kernel_ext.transport.python_environment import this_environment
from wiz_kernel_ext.transport.zmq_links import ZmqClientLink

MEET_INTERVAL_S = 0.5


class Connection:
    """The way to the service of `settings`; `start` says whether one may be started.

    Without `settings` it is this process's; until a service was reached they are read again, since
    what to do about an error may be to set a variable.
    """

    def __init__(self, settings: Settings | None, *, start: bool) -> None:
        self._given = settings
        self._read_settings()
        self.may_start = start
        self._begin()

    def running(self) -> bool:
        """Whether there is a service, also one that cannot be asked."""
        if self.info is None:
            self._read_settings()
        try:
            reach_running(self.settings, stopping=True)
        except ServiceError:
            return False
        return True

    def _read_settings(self) -> None:
        self.settings = self._given or Settings.from_environment()
        self.places = places(self.settings)

    def _begin(self) -> None:
        self.info: ConnectionInfo | None = None
        self._client: CommClient | None = None
        self._client_id = uuid.uuid4().hex
        self._connecting = asyncio.Lock()
        self._pid = os.getpid()

    async def connect(self) -> None:
        """Find the service, or start one where that is allowed; nothing is asked of it."""
        await self._connected(stopping=False)

    async def open(self, request: AnyRequest) -> ClientComm:
        """Open a comm with `request`, with a service started for it where there is none."""
        client = await self._connected(stopping=isinstance(request, StopService))
        told = told_by_this_process() if _asks_by_environment(request) else None
        return await client.open(request.target, _located(request), told)

    async def ask(self, request: AnyRequest) -> msgspec.Raw:
        """The encoded result of `request`; one that a stopping service refused is sent again."""
        for attempt in range(MAX_MEETINGS):
            comm = await self.open(request)
            try:
                return await comm.result()
            except ServiceStopping:
                if attempt == MAX_MEETINGS - 1 or not self.may_start:
                    raise
                await self.gone()
            except asyncio.CancelledError:
                await comm.close()
                raise
            except BadRequest as error:
                raise self.explained(error) from None
        raise AssertionError("unreachable")

    def explained(self, error: WizError) -> WizError:
        """`error`, with what to do where it may come from the service being an older one."""
        return explained(error, this_environment(), self.info)

    async def ask_soon(self, request: AnyRequest) -> msgspec.Raw:
        """`ask`, for what is answered at once; raises ServiceError where it is not."""
        try:
            longest_s = self.settings.start_wait_s + ANSWER_TIMEOUT_S
            return await asyncio.wait_for(self.ask(request), longest_s)
        except asyncio.TimeoutError:
            raise no_answer() from None

    async def stop(self) -> ServiceInfo:
        """End the service, also one that does not answer; returns when it is gone."""
        try:
            asked = self.ask(StopService())
            info = decode(await asyncio.wait_for(asked, ANSWER_TIMEOUT_S), ServiceInfo)
        except asyncio.TimeoutError:
            info = self._kill()
        await self.gone()
        keep_for_next(self.places)
        return info

    def _kill(self) -> ServiceInfo:
        # The connection file is the living service's, so the process id is that of no other.
        assert self.info is not None
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.info.pid, signal.SIGKILL)
        return ServiceInfo(
            pid=self.info.pid,
            version=self.info.version,
            connection_file=str(self.places.connection_file),
        )

    async def gone(self) -> None:
        """Wait until the service has really ended, also one that finishes what it does first."""
        await ended(self.places, self.info, self.settings.drain_wait_s + STOP_TIMEOUT_S)

    async def close(self) -> None:
        """Close the sockets; the service and its operations go on."""
        if self._client is not None and self._pid == os.getpid():
            self._unheld.detach()
            await self._client.close()
            self._client = None

    async def _connected(self, *, stopping: bool) -> CommClient:
        if self._pid != os.getpid():
            self._begin()  # the sockets, and the name the service knows, are the parent's
        async with self._connecting:
            if self._client is not None and self.info is not None:
                if not self._client.failed and not has_ended(self.places, self.info):
                    return self._client
                await self.close()
            if self.info is None:
                self._read_settings()
            self._client = await self._meet(stopping=stopping)
            loop = asyncio.get_running_loop()
            self._unheld = weakref.finalize(self, _close, self._client, loop, self._pid)
            self._unheld.atexit = False
            return self._client

    async def _meet(self, *, stopping: bool) -> CommClient:
        """A client of a service that is there; raises ServiceError where none answers."""
        descriptors.check_enough()
        for _ in range(MAX_MEETINGS):
            if self.may_start and not stopping:
                self.info, self.places = await reach(self.settings)
            else:
                self.info, self.places = reach_running(self.settings, stopping=stopping)
            link = ZmqClientLink(self.info.endpoint, self.info.server_key, self._client_id)
            client = CommClient(link)
            await client.start()
            is_there = False
            try:
                # One that is to end is asked all the same, and killed if it does not answer.
                is_there = stopping or await self._answers(link, self.info)
            finally:
                if not is_there:
                    await client.close()
            if is_there:
                return client
        raise no_answer()

    async def _answers(self, link: ZmqClientLink, info: ConnectionInfo) -> bool:
        """Whether it does; False for one that has just ended. Raises ServiceError."""
        deadline = time.monotonic() + ANSWER_TIMEOUT_S
        while not await link.met(MEET_INTERVAL_S):
            if has_ended(self.places, info):
                return False
            current = read_connection(self.places.connection_file)
            if current is not None and current.is_full:
                raise ServiceFull(
                    f"The service (pid {info.pid}) has as many clients as it can have open files."
                )
            if time.monotonic() > deadline:
                raise no_answer()
        return True


def no_answer() -> ServiceError:
    """What to say of a service that is there and does not answer."""
    return ServiceError(
        "The service does not answer.", hint="`wiz stop` ends it, whatever it is doing."
    )


def _close(client: CommClient, loop: asyncio.AbstractEventLoop, pid: int) -> None:
    """Close a connection that was collected, on whichever thread that happened."""
    if pid == os.getpid():
        asyncio.run_coroutine_threadsafe(client.close(), loop)


def _asks_by_environment(request: AnyRequest) -> bool:
    """Whether a hub may be asked for it, or a name looked up where models lie."""
    names = {"model", "model_path", "repo", "adapters"}.intersection(request.__struct_fields__)
    return bool(names) or request.target.startswith("hub:") or isinstance(request, DiscardDownload)


def _located(request: Any) -> Any:
    """The request with paths of model and adapters made absolute, where they are files from here.

    Only the asker knows its working directory.
    """
    if adapters := getattr(request, "adapters", None):
        found = [one._replace(name=located(one.name)) for one in read_adapters(adapters)]
        request = msgspec.structs.replace(request, adapters=[str(one) for one in found])
    field = "model" if isinstance(request, Load) else "model_path"
    name = getattr(request, field, None)
    return request if name is None else msgspec.structs.replace(request, **{field: located(name)})
