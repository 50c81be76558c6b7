"""Where things are, and whom a connection file is believed."""

from __future__ import annotations

import os
import socket
import stat
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from wiz_kernel_ext.errors import ServiceError
from wiz_kernel_ext.settings import Settings
from wiz_kernel_ext.transport.endpoints import (
    MAX_SOCKET_PATH_BYTES,
    ConnectionInfo,
    choose_endpoint,
    places,
    read_connection,
    remove_socket,
    remove_stale,
    write_connection,
)

INFO = ConnectionInfo(
    endpoint="ipc:///x/ÿ.sock",
    server_key="k" * 40,
    pid=7,
    version="0.1",
    protocol=1,
    name="n",
    host="h",
    started_at=1.5,
    log_file="/log",
)


def settings(tmp_path: Path, name: str = "main") -> Settings:
    return Settings(name=name, runtime_dir=tmp_path / "run", data_dir=tmp_path / "data")


def test_a_connection_file_is_read_as_it_was_written_and_its_owners_alone(tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    previous = os.umask(0)
    try:
        write_connection(file, INFO)
        write_connection(file, msgspec.structs.replace(INFO, pid=8))
    finally:
        os.umask(previous)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert read_connection(file) == msgspec.structs.replace(INFO, pid=8)
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b'{"endpoint": 1}', b"\xff\xfe", b"\0" * 100]
)
def test_a_connection_file_that_says_nothing_is_none(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "c.json"
    file.write_bytes(content)
    file.chmod(0o600)
    assert read_connection(file) is None


def test_a_connection_file_that_is_absent_or_no_file_is_none(tmp_path: Path) -> None:
    assert read_connection(tmp_path / "none") is None
    assert read_connection(tmp_path) is None


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_connection_file_that_others_may_write_is_not_believed(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "c.json"
    write_connection(file, INFO)
    file.chmod(mode)
    assert read_connection(file) is None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_connection_file_of_another_user_is_not_believed(tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    write_connection(file, INFO)
    os.chown(file, 65534, 65534)
    assert read_connection(file) is None


def test_a_newer_service_may_say_more(tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    write_connection(file, INFO)
    file.write_bytes(msgspec.json.encode({**msgspec.to_builtins(INFO), "later": [1]}))
    assert read_connection(file) == INFO


def test_a_short_directory_gets_a_socket_and_a_long_one_a_port(tmp_path: Path) -> None:
    short, long = Path("/tmp/w"), Path("/tmp") / ("é" * 45)
    assert choose_endpoint(short).startswith("ipc:///tmp/w/")
    assert choose_endpoint(short) != choose_endpoint(short)
    assert choose_endpoint(long) == "tcp://127.0.0.1:*"
    longest = Path("/" + "x" * (MAX_SOCKET_PATH_BYTES - len("/") - len("/12345678.sock")))
    assert choose_endpoint(longest).startswith("ipc://")
    assert choose_endpoint(longest.with_name(longest.name + "x")).startswith("tcp://")


def test_without_ipc_it_is_a_port(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wiz_kernel_ext.transport.endpoints.zmq.has", lambda what: False)
    assert choose_endpoint(Path("/tmp")) == "tcp://127.0.0.1:*"


def test_asking_for_places_makes_none_and_creating_makes_them_private(tmp_path: Path) -> None:
    where = places(settings(tmp_path))
    assert list(tmp_path.iterdir()) == []
    where.create()
    where.create()
    for directory in (where.runtime_dir, where.socket_dir, where.data_dir):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert where.connection_file.parent == where.runtime_dir
    assert where.models_dir == where.data_dir / "models"


def test_the_jupyter_directories_are_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "jr"))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jd"))
    where = places(Settings())
    assert where.runtime_dir == tmp_path / "jr"
    assert where.data_dir == tmp_path / "jd" / "wiz"


def test_every_file_carries_the_services_and_the_hosts_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = places(settings(tmp_path, "main"))
    other = places(settings(tmp_path, "other"))
    monkeypatch.setattr(socket, "gethostname", lambda: "elsewhere")
    there = places(settings(tmp_path, "main"))
    for attribute in (
        *("connection_file", "alive_file", "start_lock_file", "socket_dir"),
        *("log_file", "database_file"),
    ):
        assert len({getattr(p, attribute) for p in (here, other, there)}) == 3


def test_a_laptop_in_another_network_is_the_same_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "laptop.home")
    at_home = places(settings(tmp_path))
    monkeypatch.setattr(socket, "gethostname", lambda: "laptop.work.example")
    assert places(settings(tmp_path)) == at_home


@pytest.mark.parametrize("name", ["../../etc/x", "a/b", "a\nb", "é", "", ".", "..", "x" * 300])
def test_any_service_name_stays_inside_its_directory(tmp_path: Path, name: str) -> None:
    where = places(settings(tmp_path, name))
    where.create()
    write_connection(where.connection_file, INFO)
    assert where.connection_file.parent == tmp_path / "run"
    assert read_connection(where.connection_file) == INFO


def test_names_that_only_differ_in_odd_characters_are_two_services(tmp_path: Path) -> None:
    names = ["a/b", "a_b", "a:b", "x" * 50, "x" * 51]
    assert len({places(settings(tmp_path, name)).connection_file for name in names}) == 5


def test_relative_places_do_not_depend_on_a_later_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    where = places(Settings(runtime_dir=Path("run"), data_dir=Path("data")))
    assert where.runtime_dir == tmp_path / "run"
    assert where.models_dir == tmp_path / "data" / "models"


def test_stale_files_go_and_a_socket_with_a_listener_stays(short_dir: Path) -> None:
    where = places(settings(short_dir))
    where = replace(where, socket_dir=short_dir / "s")
    where.create()
    write_connection(where.connection_file, INFO)
    dead, living = where.socket_dir / "dead.sock", where.socket_dir / "living.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.fspath(dead))
    other = where.socket_dir / "note.txt"
    other.touch()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.fspath(living))
        server.listen()
        remove_stale(where)
        assert sorted(where.socket_dir.iterdir()) == [living, other]
    assert not where.connection_file.exists()
    remove_stale(where)
    assert list(where.socket_dir.iterdir()) == [other]


def test_the_socket_of_a_process_that_is_gone_can_be_removed(tmp_path: Path) -> None:
    (tmp_path / "x.sock").touch()
    for _ in range(2):
        remove_socket(f"ipc://{tmp_path}/x.sock")
    remove_socket("tcp://127.0.0.1:1")
    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_made_are_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file in its place")
    with pytest.raises(ServiceError, match="run cannot be made") as caught:
        places(settings(tmp_path)).create()
    assert "WIZ_RUNTIME_DIR" in caught.value.hint


def test_a_connection_file_that_cannot_be_written_is_a_typed_error_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    file = tmp_path / "c.json"
    file.mkdir()
    with pytest.raises(ServiceError, match="cannot be written: Is a directory"):
        write_connection(file, INFO)
    assert list(tmp_path.iterdir()) == [file]


def test_a_log_that_cannot_be_written_is_told_before_a_service_is_started(tmp_path: Path) -> None:
    where = places(settings(tmp_path))
    where.log_file.mkdir(parents=True)
    where.log_file.rmdir()
    where.log_file.symlink_to(tmp_path / "nowhere" / "log")
    with pytest.raises(ServiceError, match=r"main-.*\.log cannot be made or written"):
        where.create()
