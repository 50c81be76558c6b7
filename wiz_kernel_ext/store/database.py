"""One SQLite file: opened, brought to the latest schema, and its errors made ours.

Knows SQLite and the file; not what is in the tables. Belongs to the thread that opened it.
Write-ahead log, synchronous=NORMAL: what was committed survives the death of the process.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from wiz_kernel_ext.errors import StoreError
from wiz_kernel_ext.store.migrations import MIGRATIONS, Migration

BUSY_TIMEOUT_S = 5.0
# A list shows a line of a text; what was pasted into a prompt may be a book.
LISTED_LENGTH = 1000
# By text: Python 3.10 does not tell the code.
_DAMAGED = ("file is not a database", "database disk image is malformed")
_REASONS = {
    "database or disk is full": "the disk is full",
    "database is locked": "another process keeps it locked",
    "attempt to write a readonly database": "it cannot be written",
    "unable to open database file": "it cannot be opened",
    "disk I/O error": "its disk fails",
    **dict.fromkeys(_DAMAGED, "it is damaged"),
}
NO_LOCKS_HINT = (
    "Set WIZ_DATA_DIR to a directory of yours on a local disk, and run it again: in a notebook "
    "with %env."
)

T = TypeVar("T")

log = logging.getLogger(__name__)


class Database:
    """An open database; made by `open`.

    Every method raises StoreError for what SQLite or the disk refuses. `moved_aside` is where a
    damaged file went whose place this one took.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.moved_aside: Path | None = None
        self._connection = connection

    @classmethod
    def open(cls, path: Path, migrations: Sequence[Migration] = MIGRATIONS) -> Database:
        """Open the file, or begin it, with the latest schema.

        A damaged file is moved aside and a new one begun. Raises StoreError, also for a file of a
        newer version of this package.
        """
        try:
            return cls._open(path, migrations)
        except StoreError:
            raise
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise _ours(path, error) from error
        except OSError as error:
            raise _ours(path, error) from error
        aside = _move_aside(path)
        log.warning("The database %s is damaged; it is kept as %s, a new one begins.", path, aside)
        with _translated(path):
            database = cls._open(path, migrations)
        database.moved_aside = aside
        return database

    @classmethod
    def _open(cls, path: Path, migrations: Sequence[Migration]) -> Database:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Conversations are private; SQLite gives its other files the same mode.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = sqlite3.connect(
            path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        try:
            connection.row_factory = sqlite3.Row
            # One text that is damaged is to cost no list of them.
            connection.text_factory = _text
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA foreign_keys = ON")
            # Sorting needs no room on the disk then.
            connection.execute("PRAGMA temp_store = MEMORY")
            if connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                raise sqlite3.DatabaseError(_DAMAGED[1])
            database = cls(path, connection)
            database._migrate(migrations)
        except BaseException:
            connection.close()
            raise
        return database

    def _migrate(self, migrations: Sequence[Migration]) -> None:
        if self.version == len(migrations):
            return
        with self.transaction():
            # Read again under the lock: another process may have done it meanwhile.
            for number in range(self.version, len(migrations)):
                migrations[number](self._connection)
                self._connection.execute(f"PRAGMA user_version = {number + 1}")
        if self.version > len(migrations):
            raise StoreError(
                f"The database {self.path} is of a newer version of wiz_kernel_ext "
                f"(schema {self.version}; this one knows {len(migrations)}).",
                hint="Upgrade wiz_kernel_ext, or point WIZ_DATA_DIR at another directory.",
                path=str(self.path),
            )

    @property
    def version(self) -> int:
        """The number of migrations the file has seen."""
        return int(self._connection.execute("PRAGMA user_version").fetchone()[0])

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All of what is written inside, or nothing of it; one inside another is a part of it."""
        is_inside: bool = self._connection.in_transaction
        if is_inside:
            yield
            return
        with _translated(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                # SQLite rolls back by itself where the disk is full.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def execute(self, sql: str, *values: Any) -> int:
        """Run one statement; returns the number of rows it changed."""
        with _translated(self.path):
            return self._connection.execute(sql, values).rowcount

    def execute_many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run one statement for each of `rows`."""
        with _translated(self.path):
            self._connection.executemany(sql, rows)

    def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        """What a query finds, by column name."""
        with _translated(self.path):
            return [dict(row) for row in self._connection.execute(sql, values)]

    def row(self, sql: str, *values: Any) -> dict[str, Any] | None:
        """The first row a query finds."""
        with _translated(self.path):
            row = self._connection.execute(sql, values).fetchone()
        return None if row is None else dict(row)

    def close(self) -> None:
        """Close the file; nothing can be done with it afterwards."""
        with _translated(self.path):
            self._connection.close()


def readable(rows: Iterable[dict[str, Any]], make: Callable[[dict[str, Any]], T]) -> list[T]:
    """What `make` makes of each row; one that is damaged costs itself only."""
    made = (readable_row(row, make) for row in rows)
    return [value for value in made if value is not None]


def readable_row(row: dict[str, Any], make: Callable[[dict[str, Any]], T]) -> T | None:
    """What `make` makes of a row; None where the row is damaged."""
    try:
        return make(row)
    except (TypeError, ValueError) as error:  # the message library's errors are ValueErrors
        log.warning("A row is damaged, and left out: %s", error)
        return None


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


@contextlib.contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OverflowError, UnicodeEncodeError) as error:
        raise _ours(path, error) from error


def _ours(path: Path, error: Exception) -> StoreError:
    text = str(error.strerror if isinstance(error, OSError) else error)
    reason = next((why for what, why in _REASONS.items() if what in text), text)
    hint = None
    if "database is locked" in text and _has_no_locks(path):
        reason, hint = "its file system has no locks", NO_LOCKS_HINT
    # What is wrong with a value is as wrong the next time; a disk is emptied, a lock let go.
    lasting = not isinstance(error, (OSError, sqlite3.OperationalError))
    details: dict[str, Any] = {"lasting": True} if lasting and reason == text else {}
    return StoreError(
        f"The database {path} cannot be used: {reason}.", hint=hint, path=str(path), **details
    )


def _has_no_locks(path: Path) -> bool:
    """Whether it is the file system that refuses a lock, which SQLite cannot tell from a holder."""
    probe = path.with_name(f".{path.name}.probe-{os.getpid()}")
    try:
        handle = os.open(probe, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        return False
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EAGAIN, errno.EACCES)
    finally:
        os.close(handle)
        probe.unlink(missing_ok=True)
    return False


def _is_damage(error: sqlite3.Error) -> bool:
    return any(what in str(error) for what in _DAMAGED)


def _move_aside(path: Path) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S")
    aside = path.with_name(f"{path.name}.corrupt-{stamp}")
    n = 2
    while aside.exists():
        aside = path.with_name(f"{path.name}.corrupt-{stamp}-{n}")
        n += 1
    path.rename(aside)
    for suffix in ("-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside
