"""What can be saved of a damaged database, or one of a newer version, put into a new file.

Rows are found by their shape (`pages`), so that no table of contents, index or tree has to be
right. Knows the tables' names and what holds them together. Called by `Database.open` only.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wiz_kernel_ext.store.migrations import Migration
from wiz_kernel_ext.store.pages import DEFAULT_PAGE_SIZE, Pages, Record, Value

_TYPES: dict[str, tuple[type, ...]] = {
    "TEXT": (str,),
    "REAL": (int, float),
    "INTEGER": (int,),
    "BLOB": (bytes,),
}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Column:
    """A column as its table declares it."""

    name: str
    kind: str
    is_key: bool
    not_null: bool
    has_default: bool

    def fits(self, value: Value) -> bool:
        """Whether it may have that value."""
        if value is None:
            return not self.not_null
        return isinstance(value, _TYPES.get(self.kind, (int, float, str, bytes)))


_INSTEAD: dict[str, Value] = {"TEXT": "", "REAL": 0.0, "INTEGER": 0, "BLOB": b""}
# Of a row that is damaged this many values may be lost; with more it is taken for no row.
_MAX_MISFITS = 3


_MISSING = object()


@dataclass(frozen=True)
class Shape:
    """What a row of a table looks like in the file: its columns as they are stored."""

    name: str
    columns: tuple[Column, ...]
    has_rowid: bool

    def misfit(self, record: Record) -> int | None:
        """How many values of `record` are none of its columns'; None if it can be no row of it.

        It may have been written before the last columns were added.
        """
        values = record.values
        if len(values) > len(self.columns) or (record.rowid is not None) != self.has_rowid:
            return None
        wrong = [c for c, value in self._pairs(record) if value is _MISSING or not c.fits(value)]
        n_wrong = len(wrong) + (not record.is_whole)
        if any(column.is_key for column in wrong) or n_wrong > min(_MAX_MISFITS, len(values) // 3):
            return None
        return n_wrong

    def row(self, record: Record) -> dict[str, Value]:
        """`record` by the names of the columns; what does not fit is left out, or empty."""
        row: dict[str, Value] = {}
        for column, value in self._pairs(record):
            if value is not _MISSING and column.fits(value):
                row[column.name] = value
            elif column.not_null and not column.has_default:
                row[column.name] = _INSTEAD.get(column.kind, "")
        return row

    def _pairs(self, record: Record) -> Iterator[tuple[Column, Any]]:
        """Each column that has to have a value, with that of `record`."""
        for n, column in enumerate(self.columns):
            if n < len(record.values):
                yield column, record.values[n]
            elif column.not_null and not column.has_default:
                yield column, _MISSING


@dataclass
class Found:
    """The rows there are of each table, and the version of the layout they are of."""

    version: int
    rows: dict[str, list[dict[str, Value]]] = field(default_factory=dict)

    @property
    def n_rows(self) -> int:
        """All of them."""
        return sum(map(len, self.rows.values()))


def salvage(damaged: Path, target: Path, migrations: Sequence[Migration]) -> dict[str, int]:
    """Make `target` of what there is in `damaged`, which stays as it is.

    It gets the latest version. Returns the number of rows of each table. Raises sqlite3.Error and
    OSError where `target` cannot be written, or not even an empty one can be made.
    """
    found = find_rows(damaged, migrations)
    for rows in (found.rows, {}):  # rows that no migration can carry over leave an empty one
        target.unlink(missing_ok=True)
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        with contextlib.closing(sqlite3.connect(target, isolation_level=None)) as connection:
            connection.row_factory = sqlite3.Row
            try:
                connection.execute("BEGIN")
                _fill(connection, rows, migrations, found.version)
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                if not rows or (isinstance(error, sqlite3.OperationalError) and _is_full(error)):
                    raise
                log.warning("What was found of %s cannot be carried over: %s", damaged, error)
                continue
            tables = {name for name in _shapes(connection) if name in rows}
            count = "SELECT count(*) FROM"
            return {name: connection.execute(f"{count} {name}").fetchone()[0] for name in tables}
    raise AssertionError("unreachable")


def find_rows(damaged: Path, migrations: Sequence[Migration]) -> Found:
    """Every row that can be read; raises OSError where the file cannot."""
    pages = Pages(damaged)
    found = _rows_in(pages, migrations)
    if pages.page_size != DEFAULT_PAGE_SIZE:  # maybe that is what is damaged
        other = _rows_in(Pages(damaged, DEFAULT_PAGE_SIZE), migrations)
        found = max(found, other, key=lambda rows: rows.n_rows)
    return found


def _is_full(error: sqlite3.Error) -> bool:
    return "full" in str(error) or "I/O" in str(error)


def _fill(
    connection: sqlite3.Connection,
    rows: Mapping[str, list[dict[str, Value]]],
    migrations: Sequence[Migration],
    version: int,
) -> None:
    for migrate in migrations[:version]:
        migrate(connection)
    for name, shape in _shapes(connection).items():
        known = {column.name for column in shape.columns}
        for row in rows.get(name, ()):
            _insert(connection, name, {key: row[key] for key in row if key in known})
    if rows:
        _mend(connection)
    for migrate in migrations[version:]:
        migrate(connection)
    connection.execute(f"PRAGMA user_version = {len(migrations)}")


def _insert(connection: sqlite3.Connection, table: str, row: dict[str, Value]) -> None:
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    insert = f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})"
    try:
        added = connection.execute(insert, tuple(row.values())).rowcount
        # Of two of one name each has its own messages.
        if not added and table == "sessions" and {"id", "name"} <= set(row):
            named = {**row, "name": f"{row['name']!s} ({row['id']!s})"}
            connection.execute(insert, tuple(named.values()))
    except (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError, OverflowError):
        return


def _mend(connection: sqlite3.Connection) -> None:
    """What belongs to what was lost: a conversation without its name gets one, the rest goes."""
    tables = _shapes(connection)
    now = time.time()
    if {"sessions", "messages"} <= set(tables):
        if "journal" in tables:  # before that a message had its text itself
            connection.execute(
                "DELETE FROM messages WHERE content IS NULL"
                " AND (operation_id IS NULL OR operation_id NOT IN (SELECT id FROM operations))"
            )
        connection.execute(
            "INSERT OR IGNORE INTO sessions (id, name, created_at, updated_at)"
            " SELECT DISTINCT session_id, 'recovered ' || session_id, ?, ? FROM messages"
            " WHERE session_id NOT IN (SELECT id FROM sessions)",
            (now, now),
        )
    for table, column, other in (
        ("messages", "session_id", "sessions"),
        ("aliases", "session_id", "sessions"),
        ("journal", "operation_id", "operations"),
        ("events", "operation_id", "operations"),
    ):
        if table in tables:
            connection.execute(
                f"DELETE FROM {table} WHERE {column} NOT IN (SELECT id FROM {other})"
            )
    if "operations" in tables:
        connection.execute(
            "UPDATE operations SET session_id = NULL"
            " WHERE session_id NOT IN (SELECT id FROM sessions)"
        )


def _rows_in(pages: Pages, migrations: Sequence[Migration]) -> Found:
    records = list(pages.records())
    layouts = [_layout(migrations[: n + 1]) for n in range(len(migrations))]
    there = _layout_in(records)
    version = _version(layouts, there, pages.user_version)
    shapes = dict(layouts[version - 1]) if layouts else {}
    for name, shape in there.items():
        # What a newer version added; where nothing was, one's own word is not damaged.
        if name not in shapes or len(shape.columns) > len(shapes[name].columns):
            shapes[name] = shape
    found = Found(version)
    for record in sorted(records, key=lambda record: record.rowid or 0):
        misfits = [(shape.misfit(record), len(shape.columns), shape) for shape in shapes.values()]
        fitting = [(n, columns, shape) for n, columns, shape in misfits if n is not None]
        if fitting:
            *_, shape = min(fitting, key=lambda fit: fit[:2])
            found.rows.setdefault(shape.name, []).append(shape.row(record))
    return found


def _version(layouts: list[dict[str, Shape]], there: dict[str, Shape], said: int) -> int:
    """The version whose tables are the most like those in the file."""
    if not layouts:
        return 0

    def likeness(version: int) -> tuple[int, bool, int]:
        layout = layouts[version - 1]
        return (
            sum(layout.get(name) == shape for name, shape in there.items()),
            said == version,
            version,
        )

    return max(range(1, len(layouts) + 1), key=likeness)


def _layout_in(records: Iterable[Record]) -> dict[str, Shape]:
    """The tables that the file itself declares, as far as that can be read."""
    with contextlib.closing(sqlite3.connect(":memory:")) as memory:
        for record in records:
            match record.values:
                case ("table", str(), str(), int(), str(sql)) if sql.startswith("CREATE TABLE"):
                    with contextlib.suppress(sqlite3.Error, sqlite3.Warning, ValueError):
                        memory.execute(sql)
        return _shapes(memory)


def _layout(migrations: Sequence[Migration]) -> dict[str, Shape]:
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as memory:
        memory.row_factory = sqlite3.Row
        for migrate in migrations:
            migrate(memory)
        return _shapes(memory)


def _shapes(connection: sqlite3.Connection) -> dict[str, Shape]:
    tables = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    ).fetchall()
    shapes = {}
    for name, sql in tables:
        columns = connection.execute(
            'SELECT name, type, "notnull", pk, dflt_value FROM pragma_table_info(?) ORDER BY cid',
            (name,),
        ).fetchall()
        has_rowid = "WITHOUT ROWID" not in sql.upper()
        if not has_rowid:  # what it is sorted by is stored first
            columns = sorted(columns, key=lambda column: column[3] or len(columns) + 1)
        shapes[name] = Shape(
            name,
            tuple(
                Column(c[0], c[1].upper(), bool(c[3]), bool(c[2] or c[3]), c[4] is not None)
                for c in columns
            ),
            has_rowid,
        )
    return shapes


def take_place(new: Path, path: Path, why: str) -> Path:
    """Put `new` in the place of `path`, which is kept beside it; at no moment there is neither."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    aside = path.with_name(f"{path.name}.{why}-{stamp}")
    n = 2
    while aside.exists():
        aside = path.with_name(f"{path.name}.{why}-{stamp}-{n}")
        n += 1
    _keep(path, aside)
    for suffix in ("-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            _keep(part, aside.with_name(aside.name + suffix))
            part.unlink(missing_ok=True)  # it would be taken for the new one's
    new.replace(path)
    return aside


def _keep(file: Path, aside: Path) -> None:
    try:
        os.link(file, aside)
    except OSError:  # not on every file system
        file.rename(aside)
