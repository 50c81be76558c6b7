"""The file itself: shared, killed, full, locked, read-only, damaged, older, newer."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from wiz_kernel_ext.errors import StoreError
from wiz_kernel_ext.protocol.results import SessionMessage
from wiz_kernel_ext.store import Database, OperationStore, SessionStore
from wiz_kernel_ext.store.migrations import MIGRATIONS

WRITER = """
import sys
from pathlib import Path
from wiz_kernel_ext.store import Database, OperationStore
operations = OperationStore(Database.open(Path(sys.argv[1])))
operations.create("op", "prompt", "t", None, None, 1.0)
for batch in range(100_000):
    for i in range(10):
        operations.append_events("op", batch * 10 + i, b"%d" % (batch * 10 + i) + b" " * 100)
    print(batch, flush=True)
"""


def fill(database: Database, n_events: int = 1) -> None:
    """A session with a message, and an operation with events."""
    session = SessionStore(database).create("kept")
    SessionStore(database).add_messages(session.id, [SessionMessage(role="user", content="hi")])
    operations = OperationStore(database)
    operations.create("op", "prompt", "hi", session.id, None, 1.0)
    for seq in range(n_events):
        operations.append_events("op", seq, b"event")


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may write anything: be somebody else for a moment."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_new_file_is_its_owners_alone_and_of_the_latest_version(path: Path) -> None:
    database = Database.open(path)
    fill(database)
    assert database.version == len(MIGRATIONS)
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    database.close()


def test_what_was_written_is_there_after_opening_again(path: Path) -> None:
    database = Database.open(path)
    fill(database, n_events=3)
    database.close()
    again = Database.open(path)
    assert len(OperationStore(again).events("op")) == 3
    assert again.recovered is None
    again.close()


@pytest.mark.parametrize("version", range(len(MIGRATIONS)))
def test_every_earlier_version_is_brought_up_with_its_rows(path: Path, version: int) -> None:
    old = Database.open(path, MIGRATIONS[:version])
    if version:
        old.execute(
            "INSERT INTO sessions (id, name, created_at, updated_at) VALUES ('s', 'old', 1, 1)"
        )
    old.close()
    database = Database.open(path)
    assert database.version == len(MIGRATIONS)
    found = SessionStore(database).find("old")
    assert (found is not None) == bool(version)
    fill(database)
    database.close()


def test_a_migration_that_fails_changes_nothing(path: Path) -> None:
    def broken(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE half (id TEXT)")
        connection.execute("NONSENSE")

    database = Database.open(path)
    fill(database)
    database.close()
    with pytest.raises(StoreError):
        Database.open(path, [*MIGRATIONS, broken])
    database = Database.open(path)
    assert database.version == len(MIGRATIONS)
    assert database.row("SELECT 1 FROM sqlite_master WHERE name = 'half'") is None
    database.close()


def test_a_newer_version_is_kept_aside_and_its_conversations_are_there(path: Path) -> None:
    def later(connection: sqlite3.Connection) -> None:
        connection.execute("ALTER TABLE sessions ADD COLUMN colour TEXT")
        connection.execute("CREATE TABLE later (id TEXT PRIMARY KEY)")

    older = Database.open(path)
    SessionStore(older).create("of before")
    older.close()
    newer = Database.open(path, [*MIGRATIONS, later])
    newer.execute("INSERT INTO later VALUES ('x')")
    fill(newer)
    newer.close()
    before = path.read_bytes()
    database = Database.open(path)
    assert database.recovered is not None
    assert database.recovered.is_newer
    assert database.recovered.aside.read_bytes() == before
    session, before_it = SessionStore(database).list()
    assert before_it.name == "of before"
    assert [m.content for m in SessionStore(database).messages(session.id)] == ["hi"]
    fill_more = SessionStore(database).create("more")
    assert fill_more.name == "more"
    database.close()


def test_a_migration_is_tried_on_a_copy_first(path: Path) -> None:
    def half(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE half (id TEXT)")
        # Nothing takes a file back from a state like that.
        connection.execute("COMMIT")
        raise sqlite3.OperationalError("no such function: later")

    database = Database.open(path)
    fill(database)
    database.close()
    before = path.read_bytes()
    with pytest.raises(StoreError):
        Database.open(path, [*MIGRATIONS, half])
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_migration_that_is_tried_on_the_file_itself_leaves_it_half_done(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(connection: sqlite3.Connection) -> None:
        connection.execute("CREATE TABLE half (id TEXT)")
        connection.execute("COMMIT")
        raise sqlite3.OperationalError("no such function: later")

    monkeypatch.setattr(Database, "_rehearse", lambda self, migrations: None)
    Database.open(path).close()
    before = path.read_bytes()
    with pytest.raises(StoreError):
        Database.open(path, [*MIGRATIONS, half])
    assert path.read_bytes() != before


def test_two_processes_share_one_file(path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from wiz_kernel_ext.store import *\n"
        "sessions = SessionStore(Database.open(Path(sys.argv[1])))\n"
        "for n in range(50): sessions.create(f'{sys.argv[2]}-{n}')\n"
    )
    children = [subprocess.Popen([sys.executable, "-c", script, str(path), name]) for name in "abc"]
    assert [child.wait(30) for child in children] == [0, 0, 0]
    database = Database.open(path)
    assert len(SessionStore(database).list(1000)) == 150
    database.close()


def test_a_killed_writer_keeps_every_batch_it_committed(path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    committed = 0
    while committed < 200:
        committed = int(child.stdout.readline())
    child.send_signal(signal.SIGKILL)
    committed = max([committed, *map(int, child.stdout.read().split("\n")[:-1])])
    child.wait()
    child.stdout.close()
    database = Database.open(path)
    numbers = [int(events) for events in OperationStore(database).events("op")]
    assert (committed + 1) * 10 <= len(numbers) <= (committed + 2) * 10
    assert numbers == list(range(len(numbers)))
    assert OperationStore(database).unfinished() == ["op"]
    assert database.recovered is None
    database.close()


def test_a_full_disk_is_a_typed_error_and_costs_only_the_batch(database: Database) -> None:
    fill(database)
    operations = OperationStore(database)
    pages = database.rows("PRAGMA page_count")[0]["page_count"]
    database.rows(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StoreError, match="disk is full"):
        operations.append_events("op", 1, b"x" * 100_000)
    assert operations.events("op") == [b"event"]
    database.rows("PRAGMA max_page_count = 100000")
    operations.append_events("op", 1, b"x" * 1000)
    assert len(operations.events("op")) == 2


def test_a_locked_file_is_a_typed_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wiz_kernel_ext.store.database.BUSY_TIMEOUT_S", 0.05)
    database = Database.open(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked"):
        SessionStore(database).create("a")
    other.execute("ROLLBACK")
    SessionStore(database).create("a")
    other.close()
    database.close()


@pytest.mark.parametrize("what", ["directory", "file"])
def test_what_cannot_be_written_is_a_typed_error(path: Path, what: str) -> None:
    Database.open(path).close()
    for parent in path.parents[:3]:
        parent.chmod(0o755)
    path.chmod(0o444)
    path.parent.chmod(0o555)
    target = path if what == "file" else path.parent / "below" / "wiz.sqlite"
    try:
        with as_nobody(), pytest.raises(StoreError) as caught:
            Database.open(target)
        assert str(target) in caught.value.message
        assert isinstance(caught.value, OSError)
    finally:
        path.parent.chmod(0o755)


def test_a_directory_in_its_place_is_a_typed_error(path: Path) -> None:
    path.mkdir()
    with pytest.raises(StoreError):
        Database.open(path)


def damage_header(path: Path) -> None:
    path.write_bytes(b"not a database at all" * 1000)


def damage_all_but_the_header(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:4096] + b"\x5a" * (len(data) - 4096))


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])


@pytest.mark.parametrize("damage", [damage_header, damage_all_but_the_header, cut_off])
def test_a_damaged_file_is_kept_aside_and_a_new_one_begun(
    path: Path, damage: object, caplog: pytest.LogCaptureFixture
) -> None:
    database = Database.open(path)
    fill(database, n_events=5000)
    database.close()
    assert callable(damage)
    damage(path)
    damaged = path.read_bytes()
    database = Database.open(path)
    assert database.recovered is not None
    aside = database.recovered.aside
    assert aside.read_bytes() == damaged
    assert SessionStore(database).list() == []
    fill(database)
    assert "cannot be used as it is" in caplog.text and str(aside) in caplog.text
    database.close()


def test_damage_twice_keeps_both(path: Path) -> None:
    for _ in range(3):
        damage_header(path)
        Database.open(path).close()
    assert len(list(path.parent.glob("*.corrupt-*"))) == 3


def test_damage_found_while_running_is_a_typed_error(path: Path) -> None:
    database = Database.open(path)
    fill(database, n_events=5000)
    database.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    database.rows("PRAGMA shrink_memory")
    damage_all_but_the_header(path)
    with pytest.raises(StoreError, match="damaged"):
        OperationStore(database).events("op")
    database.close()


def test_an_empty_file_is_a_new_database(path: Path) -> None:
    path.touch()
    database = Database.open(path)
    fill(database)
    assert database.recovered is None
    database.close()


def test_a_transaction_that_fails_leaves_nothing(database: Database) -> None:
    def fail() -> None:
        with database.transaction():
            database.execute(
                "INSERT INTO sessions (id, name, created_at, updated_at) VALUES ('a', 'a', 1, 1)"
            )
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert SessionStore(database).list() == []
    SessionStore(database).create("a")


def test_a_closed_database_says_so_with_a_typed_error(path: Path) -> None:
    database = Database.open(path)
    database.close()
    with pytest.raises(StoreError):
        SessionStore(database).list()


def test_a_file_system_without_locks_is_told_from_a_file_that_is_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "d.sqlite"
    monkeypatch.setattr("wiz_kernel_ext.store.database.BUSY_TIMEOUT_S", 0.1)
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as holder:
        holder.execute("PRAGMA locking_mode = EXCLUSIVE")
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match="another process keeps it locked"):
            Database.open(file)

        def no_locks(handle: int, kind: int) -> None:
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr("fcntl.lockf", no_locks)
        with pytest.raises(StoreError, match="has no locks") as caught:
            Database.open(file)
    assert "WIZ_DATA_DIR" in caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["d.sqlite"]
