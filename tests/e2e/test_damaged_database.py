"""A database that is damaged while no service runs: the next cell is told, once, and goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.homes import Home
from tests.support.kernels import Kernel
from wiz_kernel_ext.client import Client


def zero_the_first_page(file: Path) -> None:
    with file.open("r+b") as stream:
        stream.write(bytes(4096))


def break_the_schema(file: Path) -> None:
    data = file.read_bytes()
    assert b"CREATE TABLE messages" in data
    file.write_bytes(data.replace(b"CREATE TABLE messages", b"CREATE TABLE \xff\xfe\xfdsages"))


def cut(file: Path) -> None:
    with file.open("r+b") as stream:
        stream.truncate(file.stat().st_size // 2)


@pytest.mark.parametrize("damage", [zero_the_first_page, break_the_schema, cut])
def test_the_next_cell_is_told_once_and_the_conversation_is_there(
    home: Home, client: Client, damage: object
) -> None:
    client.load("demo", session="mine")
    client.prompt("Hello, my name is Ana.", session="mine", temperature=0)
    client.stop()
    assert callable(damage)
    damage(home.places.database_file)
    kernel = Kernel(home.environment)
    try:
        kernel.run("%load_ext wiz_kernel_ext")
        told = kernel.run("%wiz_load demo")
        assert told.status == "ok", told
        (aside,) = home.places.data_dir.glob("*.corrupt-*[0-9]")
        assert "database of conversations was damaged" in told.shown[-1]
        assert aside.name in told.shown[-1]
        again = kernel.run("%wiz_load demo")
        assert "damaged" not in again.shown[-1]
    finally:
        kernel.close()
    messages = client.session("mine").messages
    assert [m.role for m in messages] == ["user", "assistant"] or damage is cut
    assert client.status().service.notice == ""
