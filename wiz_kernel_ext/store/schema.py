"""What a database declares: its tables, indexes and triggers, to compare it with what it should."""

from __future__ import annotations

import contextlib
import functools
import sqlite3
from collections.abc import Sequence

from wiz_kernel_ext.store.migrations import Migration

Declarations = frozenset[tuple[str, ...]]


def declared(migrations: Sequence[Migration]) -> Declarations:
    """What a database that has seen `migrations` declares: each of its parts, to the letter."""
    return _declared(tuple(migrations))


@functools.cache
def _declared(migrations: tuple[Migration, ...]) -> Declarations:
    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as memory:
        memory.row_factory = sqlite3.Row
        for migrate in migrations:
            migrate(memory)
        return declared_in(memory)


def declared_in(connection: sqlite3.Connection) -> Declarations:
    """What this one declares."""
    rows = connection.execute("SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_master")
    return frozenset(tuple(row) for row in rows)
