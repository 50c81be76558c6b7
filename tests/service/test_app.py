"""The service's start and end: what it holds, shows and takes away, and in which order."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.homes import Home
from wiz_kernel_ext.client import AsyncClient
from wiz_kernel_ext.errors import ServiceStartFailed
from wiz_kernel_ext.service import app, presence
from wiz_kernel_ext.service.app import Service
from wiz_kernel_ext.service.operations import Operation, Operations
from wiz_kernel_ext.service.records import Records
from wiz_kernel_ext.settings import Settings
from wiz_kernel_ext.transport.discovery import find
from wiz_kernel_ext.transport.endpoints import ConnectionInfo, write_connection
from wiz_kernel_ext.transport.locks import LifetimeLock, is_held, start_lock

TIMEOUT_S = 20.0


@contextlib.asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[tuple[Service, asyncio.Task[None]]]:
    """A service in this process that can be found; at the end it is told to end."""
    service = Service(settings)
    running = asyncio.create_task(service.run())
    await until(lambda: find(service.places) is not None or running.done())
    try:
        yield service, running
    finally:
        if not running.done():
            os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(running, TIMEOUT_S)


async def until(holds: Callable[[], object]) -> None:
    """Wait until it holds."""
    deadline = time.monotonic() + TIMEOUT_S
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_the_connection_file_is_written_last_and_what_it_says_is_true(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, bool] = {}

    def write(path: Path, info: ConnectionInfo) -> None:
        seen["lock"] = is_held(home.places.alive_file)
        seen["database"] = home.places.database_file.exists()
        seen["socket"] = Path(info.endpoint.removeprefix("ipc://")).exists()
        seen["file"] = path.exists()
        write_connection(path, info)

    monkeypatch.setattr(presence, "write_connection", write)
    async with serving(home.settings):
        assert seen == {"lock": True, "database": True, "socket": True, "file": False}
        client = AsyncClient(home.settings, start=False)
        service = (await client.status()).service
        await client.close()
        assert service.pid == os.getpid()
        assert service.name == home.settings.name
        assert service.connection_file == str(home.places.connection_file)


async def test_the_connection_file_goes_first_and_the_lock_last(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, bool, bool]] = []

    def look(name: str, function: Any) -> Any:
        async def looked(*args: Any) -> Any:
            file, lock = home.places.connection_file, home.places.alive_file
            seen.append((name, file.exists(), is_held(lock)))
            return await function(*args)

        return looked

    monkeypatch.setattr(Operations, "settle", look("settle", Operations.settle))
    monkeypatch.setattr(Records, "close", look("records", Records.close))
    async with serving(home.settings) as (service, _):
        assert list(service.places.socket_dir.iterdir()) != []
    assert seen == [("settle", False, True), ("records", False, True)]
    assert not is_held(home.places.alive_file)
    assert list(home.places.socket_dir.iterdir()) == []


async def test_where_one_runs_already_the_second_is_refused_and_takes_nothing_away(
    home: Home,
) -> None:
    home.places.create()
    first = LifetimeLock(home.places.alive_file)
    assert first.acquire()
    home.places.connection_file.write_text("the first one's")
    second = Service(dataclasses.replace(home.settings, start_timeout_s=0.2))
    with pytest.raises(ServiceStartFailed, match="runs already"):
        await second.run()
    assert home.places.connection_file.read_text() == "the first one's"
    assert not home.places.database_file.exists()
    first.release()


async def test_a_service_that_is_just_ending_is_waited_for(home: Home) -> None:
    home.places.create()
    first = LifetimeLock(home.places.alive_file)
    assert first.acquire()
    timer = asyncio.get_running_loop().run_in_executor(None, _release_soon, first)
    async with serving(home.settings) as (service, running):
        assert find(service.places) is not None
        assert not running.done()
    await timer


def _release_soon(lock: LifetimeLock) -> None:
    time.sleep(0.2)
    lock.release()


async def test_sigterm_ends_what_runs_and_keeps_how_it_ended(home: Home) -> None:
    tidied: list[str] = []

    async def polite(operation: Operation) -> None:
        await operation.unless_cancelled(asyncio.Event().wait())

    async def deaf(operation: Operation) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            tidied.append(operation.id)

    async with serving(home.settings) as (service, running):
        ids = []
        for body in (polite, deaf):
            operation = Operation("download", title=body.__name__)
            await service._operations.start(operation, body)
            ids.append(operation.id)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(asyncio.shield(running), TIMEOUT_S)
    assert tidied == ids[1:]
    records = Records(home.places.database_file)
    assert await records.start() == []  # none is unfinished
    for operation_id in ids:
        assert (await records.restore(operation_id)).state == "interrupted"
    await records.close()


async def test_an_interrupt_is_not_meant_for_the_service(home: Home) -> None:
    async with serving(home.settings) as (_, running):
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(0.1)
        assert not running.done()


async def test_an_idle_service_ends_only_when_no_client_is_about_to_use_it(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "TICK_S", 0.02)
    settings = dataclasses.replace(home.settings, idle_exit_s=0.1)
    home.places.create()
    # As a client holds it that has just found the service, or is starting one.
    with start_lock(home.places.start_lock_file, timeout_s=1.0):
        service = Service(settings)
        running = asyncio.create_task(service.run())
        await until(lambda: find(home.places) is not None)
        await asyncio.sleep(0.4)
        assert not running.done()
        assert find(home.places) is not None
    await asyncio.wait_for(running, TIMEOUT_S)
    assert not home.places.connection_file.exists()


async def test_a_service_with_work_is_not_idle(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "TICK_S", 0.02)
    done = asyncio.Event()

    async def work(operation: Operation) -> None:
        await done.wait()

    settings = dataclasses.replace(home.settings, idle_exit_s=0.3)
    async with serving(settings) as (service, running):
        await service._operations.start(Operation("download"), work)
        await asyncio.sleep(0.6)
        assert not running.done()
        done.set()
        await asyncio.wait_for(asyncio.shield(running), TIMEOUT_S)
