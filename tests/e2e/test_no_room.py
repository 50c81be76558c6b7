"""The first start where nothing can be written: the message names the disk, and what to do."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.homes import Home
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.errors import ServiceError

BALLAST = "ballast"


@pytest.fixture
def disk(home: Home) -> Iterator[Path]:
    """A file system of 2 MB, in the place of the data directory."""
    folder = home.places.data_dir
    folder.mkdir(exist_ok=True, mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small disk")
    try:
        yield folder
    finally:
        for service in home.services():
            service.kill()
            service.wait(10)
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path, leave: int = 0) -> None:
    with (folder / BALLAST).open("wb", buffering=0) as ballast:
        try:
            while True:
                ballast.write(b"x" * 4096)
        except OSError:
            ballast.truncate(ballast.tell() - leave)


def test_a_full_disk_is_named_with_what_to_do(home: Home, disk: Path, client: Client) -> None:
    fill(disk)
    with pytest.raises(ServiceError, match="no room to start the service") as caught:
        client.status()
    assert f"is on the disk {disk}, and it is full, 0 MB are free" in caught.value.message
    assert "WIZ_DATA_DIR" in caught.value.hint and "du -xh" in caught.value.hint
    (disk / BALLAST).unlink()
    assert client.status().service.pid


def test_a_disk_that_is_nearly_full_is_named_too(home: Home, disk: Path, client: Client) -> None:
    fill(disk, leave=50_000)
    with pytest.raises(ServiceError, match="no room to start the service"):
        client.status()


def test_a_disk_that_is_read_only_is_named(home: Home, disk: Path, client: Client) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(ServiceError, match="Read-only file system") as caught:
        client.status()
    assert f"the disk {disk}" in caught.value.message
    assert "WIZ_DATA_DIR" in caught.value.hint


def test_a_place_that_is_no_directory_is_named(home: Home, client: Client) -> None:
    home.places.runtime_dir.write_text("a file")
    with pytest.raises(ServiceError, match="cannot be made or written") as caught:
        client.status()
    assert str(home.places.runtime_dir) in caught.value.message
