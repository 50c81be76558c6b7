"""A database that is damaged in any way: it opens, and what plain SQL could read of it is there.

60 seeded damages here; WIZ_DAMAGES=2000 for more.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import sqlite3
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from wiz_kernel_ext.errors import StoreError
from wiz_kernel_ext.protocol.results import SessionMessage
from wiz_kernel_ext.store import Database, OperationStore, SessionStore
from wiz_kernel_ext.store.migrations import MIGRATIONS
from wiz_kernel_ext.store.pages import Pages
from wiz_kernel_ext.store.salvage import Found

N_DAMAGES = int(os.environ.get("WIZ_DAMAGES", "60"))
PAGE = 4096
QUERIES = {
    "sessions": "SELECT id, name, system_prompt FROM sessions",
    "messages": "SELECT session_id, position, role, operation_id, content FROM messages",
    "operations": "SELECT id, kind, state, title, text, log FROM operations",
    "journal": "SELECT operation_id, seq, events FROM journal",
}
N_KEYS = {"sessions": 1, "messages": 2, "operations": 1, "journal": 2}
Rows = dict[str, set[tuple[object, ...]]]


@dataclass(frozen=True)
class Original:
    """A good database: its files, and the rows it has."""

    folder: Path
    rows: Rows

    def copy_to(self, folder: Path) -> Path:
        shutil.copytree(self.folder, folder)
        return folder / "wiz.sqlite"


def fill(database: Database) -> None:
    sessions, operations = SessionStore(database), OperationStore(database)
    choose = random.Random(1)
    for n in range(15):
        session = sessions.create(f"conversation {n}", "Be short. " * choose.choice([1, 5, 900]))
        for turn in range(choose.randint(1, 12)):
            id = f"op-{n}-{turn}"
            text = f"Grüße {n} {turn} " * choose.choice([1, 20, 700])
            operations.create(id, "prompt", f"question {turn}", session.id, "/m.gguf", 1.0 * n)
            operations.append_events(id, 0, b"event" * 20)
            if (n, turn) != (14, 0):
                operations.finish(id, "done", text, b"\x90", 5, 2.0)
            asked = SessionMessage(role="user", content=f"question {turn}", operation_id=id)
            said = SessionMessage(role="assistant", content=text, operation_id=id)
            sessions.add_messages(session.id, [asked, said])
    sessions.rename(sessions.list()[0].id, "another name")
    sessions.delete(sessions.list()[1].id)
    operations.prune(80)


def rows_of(path: Path) -> Rows:
    """What plain SQL can read, up to the first page of each table that it cannot."""
    rows: Rows = {name: set() for name in QUERIES}
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.text_factory = lambda data: data.decode(errors="replace")
        for name, query in QUERIES.items():
            for order in ("ASC", "DESC"):
                key = "rowid" if name in ("sessions", "operations") else "1 {order}, 2"
                ordered = f"{query} ORDER BY {key.format(order=order)} {order}"
                with contextlib.suppress(sqlite3.Error, UnicodeDecodeError, MemoryError):
                    for row in connection.execute(ordered):
                        rows[name].add(tuple(row))
    return rows


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Original]]:
    """One that was closed, one whose last part is in its write-ahead log, an older, a newer."""

    def newer(connection: sqlite3.Connection) -> None:
        connection.execute("ALTER TABLE sessions ADD COLUMN colour TEXT")
        connection.execute("CREATE TABLE later (id TEXT PRIMARY KEY, what BLOB)")

    made = []
    for kind in ("closed", "running", "newer"):
        folder = tmp_path_factory.mktemp("original") / "d"
        folder.mkdir()
        path = folder / "wiz.sqlite"
        database = Database.open(path)
        fill(database)
        if kind == "running":
            database.rows("PRAGMA wal_checkpoint(TRUNCATE)")
            session = SessionStore(database).create("the last")
            said = [SessionMessage(role="user", content="the last word")]
            SessionStore(database).add_messages(session.id, said)
            copied = folder.with_name("copied")
            shutil.copytree(folder, copied)
            database.close()
            rows = rows_of(path)
            made.append(Original(copied, rows))
            continue
        database.close()
        if kind == "newer":
            Database.open(path, [*MIGRATIONS, newer]).close()
        made.append(Original(folder, rows_of(path)))
    folder = tmp_path_factory.mktemp("original") / "d"
    folder.mkdir()
    made.append(Original(folder, old_database(folder / "wiz.sqlite")))
    yield made


def old_database(path: Path) -> Rows:
    """One of an early version: its rows are those it has once it was brought up."""
    old = Database.open(path, MIGRATIONS[:3])
    for n in range(60):
        old.execute(
            "INSERT INTO sessions (id, name, created_at, updated_at) VALUES (?, ?, 1, 2)",
            *(f"s{n}", f"old {n}"),
        )
        for position, role in enumerate(("user", "assistant")):
            old.execute(
                "INSERT INTO messages VALUES (?, ?, ?, ?, NULL, NULL)",
                *(f"s{n}", position, role, f"words {n} " * (n * 7 + 1)),
            )
    old.close()
    brought_up = path.with_name("up.sqlite")
    shutil.copy(path, brought_up)
    Database.open(brought_up).close()
    rows = rows_of(brought_up)
    brought_up.unlink()
    return rows


def flip(data: bytearray, choose: random.Random) -> None:
    for _ in range(choose.choice([1, 3, 30, 300])):
        data[choose.randrange(len(data))] ^= 1 << choose.randrange(8)


def flip_a_header(data: bytearray, choose: random.Random) -> None:
    for _ in range(choose.choice([1, 5])):
        data[choose.randrange(min(100, len(data)))] = choose.randrange(256)


def flip_the_schema(data: bytearray, choose: random.Random) -> None:
    for _ in range(choose.choice([1, 3, 20])):
        data[choose.randrange(100, PAGE) % len(data)] = choose.randrange(256)


def flip_the_tops_of_pages(data: bytearray, choose: random.Random) -> None:
    for _ in range(choose.choice([1, 4, 10])):
        page = choose.randrange(max(1, len(data) // PAGE)) * PAGE
        data[(page + choose.randrange(20)) % len(data)] = choose.randrange(256)


def zero(data: bytearray, choose: random.Random) -> None:
    n = min(len(data), choose.choice([1, 100, PAGE, 5 * PAGE]))
    start = choose.choice([0, choose.randrange(len(data) - n + 1)])
    data[start : start + n] = bytes(n)


def zero_a_page(data: bytearray, choose: random.Random) -> None:
    page = choose.randrange(max(1, len(data) // PAGE)) * PAGE
    data[page : page + PAGE] = bytes(len(data[page : page + PAGE]))


def cut(data: bytearray, choose: random.Random) -> None:
    del data[choose.choice([0, 1, 99, PAGE, choose.randrange(len(data))]) :]


def swap_pages(data: bytearray, choose: random.Random) -> None:
    pages = range(0, len(data) - PAGE + 1, PAGE)
    if len(pages) > 1:
        a, b = choose.sample(pages, 2)
        data[a : a + PAGE], data[b : b + PAGE] = data[b : b + PAGE], data[a : a + PAGE]


def another_version(data: bytearray, choose: random.Random) -> None:
    version = choose.choice([-1, 0, 1, 2, 3, 4, 6, 99, 2**31 - 1])
    data[60:64] = struct.pack(">i", version)


def garbage(data: bytearray, choose: random.Random) -> None:
    data[:] = choose.randbytes(choose.choice([1, 50, 5000]))


def append(data: bytearray, choose: random.Random) -> None:
    data += choose.randbytes(choose.choice([1, PAGE, 3 * PAGE]))


DAMAGES: list[Callable[[bytearray, random.Random], None]] = [
    *(flip, flip_a_header, flip_the_schema, flip_the_tops_of_pages, zero, zero_a_page),
    *(cut, swap_pages, another_version, garbage, append),
]


@pytest.mark.parametrize("seed", range(N_DAMAGES))
def test_it_opens_and_what_sql_can_read_is_there(
    tmp_path: Path, originals: list[Original], seed: int
) -> None:
    choose = random.Random(seed)
    original = originals[seed % len(originals)]
    path = original.copy_to(tmp_path / "d")
    files = [path]
    if (wal := path.with_name("wiz.sqlite-wal")).exists() and choose.random() < 0.5:
        files = choose.choice([[wal], [path, wal], [path.with_name("wiz.sqlite-shm")]])
    for file in files:
        data = bytearray(file.read_bytes())
        for damage in choose.sample(DAMAGES, choose.choice([1, 1, 2])):
            if data:
                damage(data, choose)
        file.write_bytes(data)
    readable = rows_of(original_copy := _copy(path, tmp_path / "read"))
    found = list(Pages(original_copy).records())
    shutil.rmtree(original_copy.parent)
    damaged = path.read_bytes()

    database = Database.open(path)
    if database.recovered is not None:
        aside = database.recovered.aside
        assert aside.parent == path.parent
        if files == [path] and not wal.exists():
            assert aside.read_bytes() == damaged
    session = SessionStore(database).create("what comes after")
    SessionStore(database).add_messages(session.id, [SessionMessage(role="user", content="hi")])
    SessionStore(database).list(1000)
    OperationStore(database).list(1000)
    for id in OperationStore(database).unfinished():
        OperationStore(database).get(id)
    database.close()

    now = rows_of(path)
    for table in QUERIES:
        # Of the rows that are as they were: a damaged value may not be a value any more.
        lost = (readable[table] & original.rows[table]) - now[table]
        if table == "messages":  # they have their text from an operation, which may be lost
            lost = {row for row in lost if row[4] is not None or _has(now, row[3])}
        # Where damage made two rows of one key, one of them is there.
        keys: list[tuple[object, ...]] = [
            record.values[: N_KEYS[table]] for record in found if len(record.values) > 2
        ]
        lost = {row for row in lost if keys.count(row[: N_KEYS[table]]) < 2}
        if table == "journal":
            lost = {row for row in lost if _has(now, row[0])}
        assert not lost, f"{len(lost)} rows of {table}"
    again = Database.open(path)
    assert again.recovered is None
    again.close()


def _copy(path: Path, folder: Path) -> Path:
    shutil.copytree(path.parent, folder)
    return folder / path.name


def _has(rows: Rows, operation_id: object) -> bool:
    return any(row[0] == operation_id for row in rows["operations"])


def test_the_rows_are_read_from_good_files_as_sql_reads_them(originals: list[Original]) -> None:
    for original in originals[:3]:
        records = [record.values for record in Pages(original.folder / "wiz.sqlite").records()]
        sessions = {(v[0], v[1], v[2]) for v in records if len(v) in (10, 11) and v[9] is not None}
        assert original.rows["sessions"] <= sessions
        messages = {(v[0], v[1], v[2], v[3], v[5]) for v in records if len(v) == 7}
        assert original.rows["messages"] == messages, "no more: what is deleted stays so"


def test_without_its_first_page_everything_but_that_is_saved(
    tmp_path: Path, originals: list[Original]
) -> None:
    path = originals[0].copy_to(tmp_path / "d")
    data = bytearray(path.read_bytes())
    data[:PAGE] = bytes(PAGE)
    path.write_bytes(data)
    database = Database.open(path)
    assert database.recovered is not None
    assert database.recovered.n_saved["messages"] == len(originals[0].rows["messages"])
    database.close()
    assert rows_of(path) == originals[0].rows


def test_with_nothing_saved_what_sql_can_read_is_lost(
    tmp_path: Path, originals: list[Original], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(damaged: Path, migrations: object) -> Found:
        return Found(0)

    monkeypatch.setattr("wiz_kernel_ext.store.salvage.find_rows", nothing)
    path = originals[0].copy_to(tmp_path / "d")
    data = bytearray(path.read_bytes())
    data[5 * PAGE : 6 * PAGE] = bytes(PAGE)
    path.write_bytes(data)
    Database.open(path).close()
    assert not rows_of(path)["sessions"]


def test_a_disk_that_is_full_is_no_damage(
    tmp_path: Path, originals: list[Original], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Database, migrations: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    path = originals[0].copy_to(tmp_path / "d")
    before = path.read_bytes()
    monkeypatch.setattr(Database, "_begin", fail)
    with pytest.raises(StoreError, match="disk is full"):
        Database.open(path)
    assert path.read_bytes() == before
    assert len(list(path.parent.iterdir())) == 1
