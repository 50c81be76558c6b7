"""A service looks after its own places, and gives way where another has them."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import pytest

from tests.service.test_app import TIMEOUT_S, serving, until
from tests.support.homes import Home
from wiz_kernel_ext.client import AsyncClient
from wiz_kernel_ext.errors import ServiceStartFailed
from wiz_kernel_ext.service.app import Service
from wiz_kernel_ext.service.presence import Presence
from wiz_kernel_ext.transport.discovery import find
from wiz_kernel_ext.transport.endpoints import ConnectionInfo, write_connection
from wiz_kernel_ext.transport.locks import LifetimeLock


async def test_what_is_removed_stays_away_where_nobody_looks(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def blind(self: Presence, put_back: object) -> bool:
        return True

    monkeypatch.setattr(Presence, "look", blind)
    async with serving(home.settings):
        home.places.connection_file.unlink()
        await asyncio.sleep(1.0)
        assert find(home.places) is None


async def test_where_another_has_its_locks_it_ends_and_leaves_the_others_files(home: Home) -> None:
    async with serving(home.settings) as (service, running):
        other = LifetimeLock(home.places.alive_file)
        home.places.alive_file.unlink()
        assert other.acquire()
        info = ConnectionInfo(endpoint="ipc:///x", server_key="k", pid=1, version="", protocol=1)
        write_connection(home.places.connection_file, info)
        await asyncio.wait_for(asyncio.shield(running), TIMEOUT_S)
        assert find(service.places) == info
        other.release()


async def test_one_that_starts_beside_one_without_its_files_is_refused(home: Home) -> None:
    async with serving(home.settings) as (service, _):
        home.places.alive_file.unlink()
        with pytest.raises(ServiceStartFailed, match="runs already"):
            await Service(dataclasses.replace(home.settings, start_timeout_s=1.0)).run()
        await until(lambda: find(service.places))


async def test_a_client_asks_on_while_the_socket_is_put_back(home: Home) -> None:
    async with serving(home.settings) as (service, _):
        client, late = AsyncClient(home.settings, start=False), None
        change = asyncio.create_task(client.await_change(timeout_s=5.0))
        await asyncio.sleep(0.2)
        info = find(service.places)
        assert info is not None
        remove(info)
        late = AsyncClient(home.settings, start=False)
        assert (await late.status()).service.pid == info.pid
        service._operations._on_change()
        assert await change
        await client.close()
        await late.close()


def remove(info: ConnectionInfo) -> None:
    Path(info.endpoint.removeprefix("ipc://")).unlink()
