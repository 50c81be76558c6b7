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
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from wiz_kernel_ext.errors import StoreError
from wiz_kernel_ext.store.migrations import MIGRATIONS, Migration
from wiz_kernel_ext.store.salvage import salvage, take_place
from wiz_kernel_ext.store.schema import declared, declared_in

BUSY_TIMEOUT_S = 5.0
# A list shows a line of a text; what was pasted into a prompt may be a book.
LISTED_LENGTH = 1000
# By text: Python 3.10 does not tell the code.
_DAMAGED = ("file is not a database", "database disk image is malformed")
_READ_ONLY = "attempt to write a readonly database"
_REASONS = {
    "database or disk is full": "the disk is full",
    "database is locked": "another process keeps it locked",
    _READ_ONLY: "it cannot be written",
    "unable to open database file": "it cannot be opened",
    "disk I/O error": "its disk fails",
    **dict.fromkeys(_DAMAGED, "it is damaged"),
}
NO_LOCKS_HINT = (
    "Set WIZ_DATA_DIR to a directory of yours on a local disk, and run it again: in a notebook "
    "with %env."
)
_PARTS = ("", "-wal", "-shm")
_PASSING = ("database or disk is full", "database is locked", "unable to open database file")
# A larger one is checked without its indexes, which takes a fraction of the time.
WHOLE_CHECK_BYTES = 64 * 2**20

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recovered:
    """A database that took the place of one that could not be used.

    `aside` is where that one lies; `n_saved` how many rows of each table were found in it.
    """

    aside: Path
    n_saved: dict[str, int]
    is_newer: bool


class _Unusable(Exception):
    """The file is damaged, or `is_newer`: there is another way than to give up."""

    def __init__(self, reason: str, *, is_newer: bool = False) -> None:
        super().__init__(reason)
        self.is_newer = is_newer


class Database:
    """An open database; made by `open`.

    Every method raises StoreError for what SQLite or the disk refuses. `recovered` tells of a file
    that could not be used, whose place this one took.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.recovered: Recovered | None = None
        self._connection = connection
        self._migrations: Sequence[Migration] = ()
        self._inodes: dict[Path, int | None] = {}

    @classmethod
    def open(cls, path: Path, migrations: Sequence[Migration] = MIGRATIONS) -> Database:
        """Open the file, or begin it, with the latest schema.

        A damaged file, or one of a newer version of this package, is kept aside, and what can be
        read of it put into a new one. Raises StoreError.
        """
        try:
            return cls._open(path, migrations)
        except _Unusable as error:
            log.warning("The database %s cannot be used as it is: %s", path, error)
            unusable = error
        temporary = path.with_name(f".{path.name}.saved")
        try:
            n_saved = salvage(path, temporary, migrations)
            aside = take_place(temporary, path, "newer" if unusable.is_newer else "corrupt")
        except (sqlite3.Error, OSError) as error:
            temporary.unlink(missing_ok=True)
            raise _ours(path, error) from error
        log.warning("It is kept as %s; of it were saved: %s", aside, n_saved)
        try:
            database = cls._open(path, migrations)
        except _Unusable as error:
            raise StoreError(f"The database {path} cannot be used: {error}.") from error
        database.recovered = Recovered(aside, n_saved, unusable.is_newer)
        return database

    @classmethod
    def _open(cls, path: Path, migrations: Sequence[Migration]) -> Database:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Conversations are private; SQLite gives its other files the same mode.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise _ours(path, error) from error
        # A connection of one thread at a time: which thread, its owner sees to.
        connection = sqlite3.connect(
            path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        database = cls(path, connection)
        try:
            database._begin(migrations)
        except _Unusable:
            connection.close()
            raise
        except Exception as error:
            connection.close()
            cause = error.__cause__ if isinstance(error, StoreError) else error
            assert isinstance(cause, Exception)
            # Damage shows in many ways; what passes, or is of the disk, in a few.
            if _is_of_the_disk(path, cause):
                raise _ours(path, cause) from cause
            raise _Unusable(f"{type(cause).__name__}: {cause}") from cause
        except BaseException:
            connection.close()
            raise
        return database

    def _begin(self, migrations: Sequence[Migration]) -> None:
        connection = self._connection
        connection.row_factory = sqlite3.Row
        # One text that is damaged is to cost no list of them.
        connection.text_factory = _text
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        # What is deleted is gone, also for whoever reads the file.
        connection.execute("PRAGMA secure_delete = ON")
        # Sorting needs no room on the disk then.
        connection.execute("PRAGMA temp_store = MEMORY")
        check = (
            "integrity_check" if self.path.stat().st_size <= WHOLE_CHECK_BYTES else "quick_check"
        )
        if (wrong := connection.execute(f"PRAGMA {check}(1)").fetchone()[0]) != "ok":
            raise _Unusable(str(wrong))
        if self.version > len(migrations):
            reason = f"it is of schema {self.version}, and this version knows {len(migrations)}"
            raise _Unusable(reason, is_newer=True)
        if self.version < len(migrations) and declared_in(connection):
            self._rehearse(migrations)
        self._migrate(migrations)
        # A file whose header is damaged may be read, and fail at the first write.
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(f"PRAGMA user_version = {len(migrations)}")
        connection.execute("ROLLBACK")
        if missing := declared(migrations) - declared_in(connection):
            raise _Unusable(f"its schema lacks {sorted(missing)[0][:2]}")
        files = [self.path.with_name(self.path.name + suffix) for suffix in _PARTS]
        self._migrations, self._inodes = migrations, {file: _inode(file) for file in files}

    def _rehearse(self, migrations: Sequence[Migration]) -> None:
        """Bring a copy up to the latest schema first: where that fails, nothing was touched."""
        temporary = self.path.with_name(f".{self.path.name}.rehearsal")
        temporary.unlink(missing_ok=True)
        try:
            os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            connection = sqlite3.connect(temporary, isolation_level=None)
            with contextlib.closing(connection):
                self._connection.backup(connection)
                connection.row_factory = sqlite3.Row
                connection.text_factory = _text
                copy = Database(temporary, connection)
                copy._migrate(migrations)
        finally:
            for suffix in ("", "-journal", "-wal", "-shm"):
                temporary.with_name(temporary.name + suffix).unlink(missing_ok=True)

    def _migrate(self, migrations: Sequence[Migration]) -> None:
        if self.version == len(migrations):
            return
        with self.transaction():
            # Read again under the lock: another process may have done it meanwhile.
            for number in range(self.version, len(migrations)):
                migrations[number](self._connection)
                self._connection.execute(f"PRAGMA user_version = {number + 1}")

    @property
    def in_place(self) -> bool:
        """Whether its files are where they were; somebody may have removed them. For any thread."""
        return all(_inode(file) == inode for file, inode in self._inodes.items())

    def put_back(self) -> None:
        """Write it again from what is open, which has all of it.

        Raises StoreError, and is as it was.
        """
        temporary = self.path.with_name(f".{self.path.name}.back")
        with _translated(self.path):
            try:
                self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                temporary.unlink(missing_ok=True)
                os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
                with contextlib.closing(sqlite3.connect(temporary)) as copy:
                    self._connection.backup(copy)
                temporary.replace(self.path)
            except OSError as error:
                raise _ours(self.path, error) from error
            finally:
                temporary.unlink(missing_ok=True)
            self._connection.close()
            for suffix in _PARTS[1:]:
                self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
            again = Database.open(self.path, self._migrations)
        self._connection, self._inodes = again._connection, again._inodes

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


def _inode(file: Path) -> int | None:
    try:
        return file.stat().st_ino
    except OSError:
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


def _is_of_the_disk(path: Path, error: Exception) -> bool:
    """Whether it is no damage but a disk without room, a lock, or a file that cannot be opened."""
    if isinstance(error, OSError):
        return True
    text = str(error)
    if _READ_ONLY in text:  # so does a header with one wrong byte
        return not (os.access(path, os.W_OK) and os.access(path.parent, os.W_OK))
    return isinstance(error, sqlite3.OperationalError) and any(what in text for what in _PASSING)
