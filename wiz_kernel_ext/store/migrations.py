"""The schema, as the numbered steps that led to it.

A step is never changed once it was released: a new one is added at the end. Step n takes a
database from version n (SQLite's `user_version`) to n + 1. Called by `Database.open` only.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from wiz_kernel_ext.store.old_logs import pack_old_operation

Migration = Callable[[sqlite3.Connection], None]


def _sessions(connection: sqlite3.Connection) -> None:
    connection.execute(
        """
        CREATE TABLE sessions (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            system_prompt TEXT,
            notebook TEXT,
            kernel_id TEXT,
            model_path TEXT,
            load_options TEXT NOT NULL DEFAULT '{}',
            context_options TEXT NOT NULL DEFAULT '{}',
            created_at REAL NOT NULL,
            updated_at REAL NOT NULL
        )
        """
    )
    connection.execute(
        """
        CREATE TABLE messages (
            session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
            position INTEGER NOT NULL,
            role TEXT NOT NULL,
            content TEXT NOT NULL,
            operation_id TEXT,
            finish_reason TEXT,
            PRIMARY KEY (session_id, position)
        ) WITHOUT ROWID
        """
    )
    connection.execute("CREATE INDEX sessions_by_use ON sessions (updated_at)")


def _operations(connection: sqlite3.Connection) -> None:
    # An operation outlives its session, as history does.
    connection.execute(
        """
        CREATE TABLE operations (
            id TEXT PRIMARY KEY,
            kind TEXT NOT NULL,
            state TEXT NOT NULL,
            title TEXT NOT NULL,
            session_id TEXT REFERENCES sessions (id) ON DELETE SET NULL,
            model_path TEXT,
            created_at REAL NOT NULL,
            ended_at REAL,
            text TEXT NOT NULL DEFAULT '',
            result BLOB,
            error BLOB
        )
        """
    )
    connection.execute(
        """
        CREATE TABLE events (
            operation_id TEXT NOT NULL REFERENCES operations (id) ON DELETE CASCADE,
            seq INTEGER NOT NULL,
            event BLOB NOT NULL,
            PRIMARY KEY (operation_id, seq)
        ) WITHOUT ROWID
        """
    )
    connection.execute("CREATE INDEX operations_by_time ON operations (created_at)")
    connection.execute("CREATE INDEX operations_by_session ON operations (session_id, created_at)")


def _aliases(connection: sqlite3.Connection) -> None:
    connection.execute(
        """
        CREATE TABLE aliases (
            name TEXT PRIMARY KEY,
            session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE
        ) WITHOUT ROWID
        """
    )
    connection.execute("CREATE INDEX aliases_by_session ON aliases (session_id)")
    connection.execute("CREATE INDEX sessions_by_notebook ON sessions (notebook)")
    connection.execute("CREATE INDEX sessions_by_kernel ON sessions (kernel_id)")


def _operations_in_order(connection: sqlite3.Connection) -> None:
    """Operations are read in the order they were written, for which no index is needed.

    Databases of a day in between never had it.
    """
    connection.execute("DROP INDEX IF EXISTS operations_by_time")


def _texts_once(connection: sqlite3.Connection) -> None:
    """An answer's text is kept once: with its operation, not in events, result and message too."""
    connection.execute("ALTER TABLE operations RENAME TO old_operations")
    # What may be long comes last: a list does not read past it.
    connection.execute(
        """
        CREATE TABLE operations (
            id TEXT PRIMARY KEY,
            kind TEXT NOT NULL,
            state TEXT NOT NULL,
            session_id TEXT REFERENCES sessions (id) ON DELETE SET NULL,
            model_path TEXT,
            n_events INTEGER NOT NULL DEFAULT 0,
            created_at REAL NOT NULL,
            ended_at REAL,
            title TEXT NOT NULL,
            text TEXT NOT NULL DEFAULT '',
            log BLOB
        )
        """
    )
    connection.execute(
        """
        CREATE TABLE journal (
            operation_id TEXT NOT NULL REFERENCES operations (id) ON DELETE CASCADE,
            seq INTEGER NOT NULL,
            events BLOB NOT NULL,
            PRIMARY KEY (operation_id, seq)
        ) WITHOUT ROWID
        """
    )
    for old in connection.execute("SELECT * FROM old_operations ORDER BY rowid").fetchall():
        pack_old_operation(connection, old)
    connection.execute("DROP TABLE events")
    connection.execute("DROP TABLE old_operations")
    connection.execute("CREATE INDEX operations_by_session ON operations (session_id, created_at)")
    connection.execute("ALTER TABLE messages RENAME TO old_messages")
    connection.execute(
        """
        CREATE TABLE messages (
            session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
            position INTEGER NOT NULL,
            role TEXT NOT NULL,
            operation_id TEXT,
            finish_reason TEXT,
            content TEXT,
            PRIMARY KEY (session_id, position)
        ) WITHOUT ROWID
        """
    )
    connection.execute(
        """
        INSERT INTO messages SELECT session_id, position, role, operation_id, finish_reason,
            nullif(content, (SELECT text FROM operations WHERE id = operation_id))
        FROM old_messages
        """
    )
    connection.execute("DROP TABLE old_messages")
    connection.execute(
        "CREATE INDEX messages_by_operation ON messages (operation_id) WHERE content IS NULL"
    )
    connection.execute(
        """
        CREATE TRIGGER answers_outlive_operations BEFORE DELETE ON operations
        BEGIN
            UPDATE messages SET content = old.text
            WHERE operation_id = old.id AND content IS NULL;
        END
        """
    )


def _adapters(connection: sqlite3.Connection) -> None:
    """A session's LoRA adapters, a JSON list of texts."""
    connection.execute("ALTER TABLE sessions ADD COLUMN adapters TEXT NOT NULL DEFAULT '[]'")


MIGRATIONS: tuple[Migration, ...] = (
    _sessions,
    _operations,
    _aliases,
    _operations_in_order,
    _texts_once,
    _adapters,
)
