"""The files of a running service are removed: it puts them back, and it stays the only one."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.support.homes import Home
from wiz_kernel_ext.client import Client, connection, discovery
from wiz_kernel_ext.errors import ServiceError
from wiz_kernel_ext.transport.discovery import find
from wiz_kernel_ext.transport.endpoints import Places

BACK_S = 5.0


def is_there(home: Home, name: str) -> bool:
    return files_of(home.places)[name].exists()


def the_socket(where: Places) -> Path:
    info = find(where)
    assert info is not None
    return Path(info.endpoint.removeprefix("ipc://"))


def files_of(where: Places) -> dict[str, Path]:
    """Every file that a running service has."""
    database = where.database_file
    return {
        "connection": where.connection_file,
        "alive": where.alive_file,
        "socket": the_socket(where),
        "start lock": where.start_lock_file,
        "database": database,
        "wal": database.with_name(database.name + "-wal"),
        "shm": database.with_name(database.name + "-shm"),
        "database lock": where.database_lock_file,
        "environment": where.environment_file,
        "log": where.log_file,
    }


@pytest.fixture
def talk(client: Client) -> Iterator[Client]:
    """A client with a conversation, and a model that is loaded."""
    client.load("demo", session="mine")
    client.prompt("Hello", session="mine", temperature=0, max_tokens=5)
    yield client


def found_again(home: Home, pid: int, n_turns: int) -> None:
    """A new client finds the service soon, and the conversation; returns the pid."""
    begun = time.monotonic()
    other = Client()
    try:
        status = other.status()
        assert time.monotonic() - begun < BACK_S
        assert len(other.session("mine").messages) == 2 * n_turns
        assert status.service.pid == pid
        # Somebody who found nothing has maybe started another: it sees that it is not the first.
        until(lambda: [s.pid for s in home.services()] == [pid], 10.0)
        assert len(status.workers) == 1
    finally:
        other.close()


def until(holds: Callable[[], object], timeout_s: float = BACK_S) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_each_file_is_put_back_and_the_conversation_is_there(home: Home, talk: Client) -> None:
    (service,) = home.services()
    for n, name in enumerate(files_of(home.places), start=1):
        files_of(home.places)[name].unlink(missing_ok=True)
        found_again(home, service.pid, n)
        # The one that was connected goes on, and what it says is kept.
        talk.prompt("Hello", session="mine", temperature=0, max_tokens=5)
        if name != "start lock":  # made by whoever needs it
            until(partial(is_there, home, name))
    assert home.places.log_file.read_text(errors="replace").count("Put back") >= 1
    service.terminate()
    service.wait(10)
    assert len(talk.session("mine").messages) == 2 * (1 + len(files_of(home.places)))


def test_all_files_at_once_are_put_back(home: Home, talk: Client) -> None:
    (service,) = home.services()
    for file in files_of(home.places).values():
        file.unlink(missing_ok=True)
    found_again(home, service.pid, 1)
    talk.prompt("Hello", session="mine", temperature=0, max_tokens=5)
    service.terminate()
    service.wait(10)
    assert len(talk.session("mine").messages) == 4


def test_the_whole_runtime_directory_is_put_back(home: Home, talk: Client) -> None:
    (service,) = home.services()
    shutil.rmtree(home.places.runtime_dir)
    found_again(home, service.pid, 1)
    talk.prompt("Hello", session="mine", temperature=0, max_tokens=5)
    found_again(home, service.pid, 2)


def test_what_was_said_after_the_database_was_removed_outlives_a_kill(
    home: Home, talk: Client
) -> None:
    home.places.database_file.unlink()
    until(home.places.database_file.exists)
    talk.prompt("Hello", session="mine", temperature=0, max_tokens=5)
    (service,) = home.services()
    service.kill()
    service.wait(10)
    assert len(talk.session("mine").messages) == 4


def test_a_service_that_hangs_without_its_socket_is_an_error_soon(
    home: Home, talk: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "ANSWER_TIMEOUT_S", 1.0)
    (service,) = home.services()
    service.send_signal(signal.SIGSTOP)  # so that it puts nothing back
    the_socket(home.places).unlink()
    other, begun = Client(), time.monotonic()
    try:
        with pytest.raises(ServiceError, match="does not answer"):
            other.load_model("demo")
        assert time.monotonic() - begun < 10
    finally:
        other.close()
        service.send_signal(signal.SIGCONT)
    found_again(home, service.pid, 1)


def test_a_service_that_hangs_without_its_connection_file_is_an_error_in_bounded_time(
    home: Home, talk: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "COME_BACK_S", 0.5)
    (service,) = home.services()
    service.send_signal(signal.SIGSTOP)
    home.places.connection_file.unlink()
    other = Client(start=False)
    try:
        with pytest.raises(ServiceError):
            other.status()
    finally:
        other.close()
        service.send_signal(signal.SIGCONT)
    found_again(home, service.pid, 1)
