"""Another user of this machine: puts files where ours are to be, looks, tries to connect."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.support.homes import Home
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.errors import ServiceError
from wiz_kernel_ext.transport.discovery import find
from wiz_kernel_ext.transport.endpoints import ConnectionInfo, write_connection

NOBODY = 65534
PLANTED = ["connection_file", "alive_file", "start_lock_file", "database_file", "log_file"]
# What the other user can do with all it can see: read each file, and connect to each socket.
LOOK = """
import os, socket, sys
os.setgroups([]); os.setgid({uid}); os.setuid({uid})
for folder, _, files in os.walk(sys.argv[1]):
    for name in files:
        path = os.path.join(folder, name)
        try:
            open(path, "rb").read(1)
            print("read", path)
        except OSError:
            pass
        try:
            with socket.socket(socket.AF_UNIX) as there:
                there.connect(path)
            print("connected", path)
        except OSError:
            pass
"""


@pytest.fixture
def open_home(home: Home) -> Iterator[Home]:
    """A home whose directories anybody may read."""
    if os.geteuid():
        pytest.skip("only root can be another user")
    home.places.create()
    for folder in (home.folder, *home.folder.parents):
        if folder.owner() == "root" and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    yield home


@pytest.mark.parametrize("name", PLANTED)
@pytest.mark.parametrize("start", [True, False])
def test_a_planted_file_is_refused_at_once(open_home: Home, name: str, start: bool) -> None:
    file: Path = getattr(open_home.places, name)
    file.unlink(missing_ok=True)
    if name == "connection_file":
        write_connection(file, planted(open_home))
    else:
        file.touch(0o666)
    os.chown(file, NOBODY, NOBODY)
    client, begun = Client(start=start), time.monotonic()
    with pytest.raises(ServiceError, match="belongs to another user") as caught:
        client.status()
    assert time.monotonic() - begun < 5
    assert str(file) in caught.value.message
    assert "WIZ_RUNTIME_DIR" in caught.value.hint
    assert not open_home.services()
    client.close()


def test_a_planted_file_in_the_place_of_a_removed_one_is_replaced_by_the_service(
    open_home: Home, client: Client
) -> None:
    pid = client.status().service.pid
    file = open_home.places.connection_file
    file.unlink()
    write_connection(file, planted(open_home))
    os.chown(file, NOBODY, NOBODY)
    other = Client()
    assert other.status().service.pid == pid
    other.close()


def planted(home: Home) -> ConnectionInfo:
    socket = home.places.socket_dir / "planted.sock"
    return ConnectionInfo(
        endpoint=f"ipc://{socket}", server_key="k" * 40, pid=1, version="9", protocol=1
    )


def test_a_planted_link_is_refused_wherever_it_leads(open_home: Home, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.touch()
    open_home.places.alive_file.symlink_to(mine)
    os.chown(open_home.places.alive_file, NOBODY, NOBODY, follow_symlinks=False)
    with pytest.raises(ServiceError, match="belongs to another user"):
        Client().status()


@pytest.mark.parametrize("which", ["runtime_dir", "data_dir"])
def test_a_directory_that_anybody_may_write_is_refused(home: Home, which: str) -> None:
    home.places.create()
    folder: Path = getattr(home.places, which)
    folder.chmod(0o777)
    client = Client()
    with pytest.raises(ServiceError, match="Anybody may write") as caught:
        client.status()
    assert str(folder) in caught.value.message
    folder.chmod(0o755)
    assert client.status().service.pid
    client.close()


def test_another_user_learns_nothing_where_anybody_may_read(
    open_home: Home, client: Client
) -> None:
    client.load("demo", session="mine")
    client.prompt("Hello", session="mine", max_tokens=3)
    info = find(open_home.places)
    assert info is not None
    for folder in (open_home.places.runtime_dir, open_home.places.data_dir):
        folder.chmod(0o755)
    code = LOOK.format(uid=NOBODY)
    looked = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(open_home.folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    told = looked.stdout.splitlines()
    secret = [info.server_key, "Hello"]
    for line in told:
        what, path = line.split(" ", 1)
        assert what == "read", line
        text = Path(path).read_bytes().decode(errors="replace")
        assert not any(word in text for word in secret), line
    assert not [line for line in told if str(open_home.places.runtime_dir) in line], told
    assert msgspec.json.decode(open_home.places.connection_file.read_bytes())
