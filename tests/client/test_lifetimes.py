"""A client whose process forks, whom nobody holds, who gives up, or whose service is stuck."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import msgspec
import psutil
import pytest

from tests.support.homes import Home
from wiz_kernel_ext.client import AsyncClient, AsyncOperation, Client, connection
from wiz_kernel_ext.client.reaching import ended
from wiz_kernel_ext.errors import ServiceError, ServiceNotRunning
from wiz_kernel_ext.transport.endpoints import ConnectionInfo, write_connection
from wiz_kernel_ext.transport.locks import LifetimeLock

FORKING = """
import os, sys
from wiz_kernel_ext import Client, WizError

client = Client()
client.load_model("demo"); client.create_context(); client.initialize_session(session="ours")
answer = client.send_prompt("Hello", temperature=0)
ended = client.attach(answer.id)
assert str(answer.result()) == str(ended.result())
going = client.send_prompt("Count from 1 to 30.", temperature=0)
child = os.fork()
if child == 0:
    print("child:", client.prompt("Hello", temperature=0, session="ours"))
    print("ended:", answer.result())
    try:
        print("going:", going.result())
    except WizError as error:
        print("going:", error)
    sys.stdout.flush()
    os._exit(0)
os.waitpid(child, 0)
print("parent:", client.prompt("Hello", temperature=0))
print("parent:", going.result().finish_reason)
"""


def test_a_client_that_was_made_before_a_fork_works_on_both_sides_of_it(home: Home) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKING], capture_output=True, text=True, timeout=60, check=False
    )
    told = dict(line.split(": ", 1) for line in done.stdout.splitlines()[:3])
    assert told["child"] == told["ended"] == "Hello! How can I help you today?", done
    # Where the answer was here before the fork, it is there on both sides.
    assert "process that began it" in told["going"] or told["going"].startswith("1"), done
    assert "parent: Hello! How can I help you today?" in done.stdout, done
    assert "destroyed" not in done.stderr, done.stderr


def test_a_client_nobody_holds_gives_its_sockets_and_threads_back(
    home: Home, client: Client
) -> None:
    client.status()
    process = psutil.Process()
    n_fds, n_threads = process.num_fds(), process.num_threads()
    for _ in range(10):
        Client().status()
    gc.collect()
    deadline = time.monotonic() + 10
    # A client has two threads of ZeroMQ's; the loop's own pool may have grown by a few.
    while process.num_fds() > n_fds or process.num_threads() > n_threads + 10:
        assert time.monotonic() < deadline, (n_fds, process.num_fds(), process.num_threads())
        time.sleep(0.05)
    assert client.status().workers == []


def test_a_client_nobody_holds_stays_connected_for_an_operation_somebody_does(home: Home) -> None:
    first = Client()
    first.load_model("demo")
    first.create_context()
    first.initialize_session()
    operation = first.send_prompt("Count from 1 to 30.", temperature=0)
    del first
    gc.collect()
    assert "20" in operation.result(timeout_s=30)


async def test_a_prompt_whose_asker_gives_up_at_its_very_beginning_is_cancelled(
    home: Home, slow_model: Path
) -> None:
    client = AsyncClient()
    await client.load_model(str(slow_model))
    await client.create_context()
    await client.initialize_session()
    for n in range(20):
        starting = asyncio.create_task(client.send_prompt("Hello", max_tokens=2000))
        await asyncio.sleep(n * 0.0005)
        if not starting.done():
            starting.cancel()
        for operation in await asyncio.gather(starting, return_exceptions=True):
            if isinstance(operation, AsyncOperation):
                await operation.cancel()
    deadline = time.monotonic() + 20
    while states := [o.id for o in await client.operations(50) if o.state in ("queued", "running")]:
        assert time.monotonic() < deadline, states
        await asyncio.sleep(0.05)
    await client.close()


def test_a_service_that_is_stuck_is_told_of_and_can_be_stopped(
    home: Home, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = psutil.Process(client.status().service.pid)
    monkeypatch.setattr(connection, "ANSWER_TIMEOUT_S", 0.5)
    impatient = Client(replace(home.settings, start_timeout_s=0.5))
    service.suspend()
    with pytest.raises(ServiceError, match="does not answer"):
        impatient.status()
    assert impatient.stop().pid == service.pid
    assert home.services() == []
    assert client.status().service.pid != service.pid
    impatient.close()


def test_stopping_what_does_not_run_starts_nothing(home: Home) -> None:
    client = Client()
    with pytest.raises(ServiceNotRunning):
        client.stop()
    assert home.processes() == []


def test_a_long_log_is_set_aside_when_a_service_starts(
    home: Home, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wiz_kernel_ext.client.discovery.MAX_LOG_BYTES", 100)
    home.places.create()
    home.places.log_file.write_text("old\n" * 100)
    client.status()
    former = home.places.log_file.with_name(f"{home.places.log_file.name}.1")
    assert former.read_text().startswith("old")
    assert "old" not in home.log()


async def test_an_end_is_seen_also_where_another_service_took_the_place_at_once(home: Home) -> None:
    home.places.create()
    another = LifetimeLock(home.places.alive_file)
    assert another.acquire()
    former = ConnectionInfo(endpoint="ipc:///a", server_key="k", pid=7, version="1", protocol=1)
    write_connection(home.places.connection_file, msgspec.structs.replace(former, pid=8))
    await ended(home.places, former, 5.0)
    # The twin: of the one that is there, it is no end.
    write_connection(home.places.connection_file, former)
    with pytest.raises(ServiceError, match="still there"):
        await ended(home.places, former, 0.1)
    another.release()
