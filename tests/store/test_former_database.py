"""Conversations of an environment that had a service of its own are in the one for all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from wiz_kernel_ext.store import Database
from wiz_kernel_ext.store.former_database import begin_with_former


def former(folder: Path, name: str, note: str, at: int) -> Path:
    file = folder / name
    database = Database.open(file)
    with database.transaction():
        database._connection.execute("CREATE TABLE note (text)")
        database._connection.execute("INSERT INTO note VALUES (?)", (note,))
    database.close()
    os.utime(file, (at, at))
    return file


def test_the_latest_of_this_host_is_copied_once_and_all_stay(tmp_path: Path) -> None:
    older = former(tmp_path, "env-11111111-host.sqlite", "older", 1000)
    latest = former(tmp_path, "env-22222222-host.sqlite", "latest", 2000)
    former(tmp_path, "env-33333333-other.sqlite", "other", 3000)
    (tmp_path / "env-44444444-host.sqlite").write_bytes(b"no database " * 100)
    file = tmp_path / "main-host.sqlite"
    assert begin_with_former(file) == latest
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    database = Database.open(file)
    assert database._connection.execute("SELECT text FROM note").fetchone()[0] == "latest"
    database.close()
    assert begin_with_former(file) is None
    assert older.exists()
    assert latest.exists()


def test_a_service_of_a_name_and_one_without_a_past_begin_empty(tmp_path: Path) -> None:
    assert begin_with_former(tmp_path / "main-host.sqlite") is None
    former(tmp_path, "env-11111111-host.sqlite", "older", 1000)
    assert begin_with_former(tmp_path / "mine-host.sqlite") is None
    assert not (tmp_path / "mine-host.sqlite").exists()
