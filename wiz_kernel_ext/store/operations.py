"""Operations as rows: what was asked, how it ended, what it said, and the rest of its log, encoded.

Knows the tables `operations` and `journal`; not what an event says. The latest is the one that was
written last: clocks are put back. Called by the service, on the store's thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from wiz_kernel_ext.protocol.results import OperationKind, OperationState
from wiz_kernel_ext.store.database import LISTED_LENGTH, Database, readable, readable_row

_COLUMNS = """
    operations.id, kind, state, session_id, sessions.name AS session, operations.model_path,
    n_events, operations.created_at, ended_at
"""
_FROM = "FROM operations LEFT JOIN sessions ON sessions.id = session_id"


@dataclass(frozen=True, kw_only=True)
class OperationRow:
    """An operation. `session` is its session's name now.

    `text` is what it said, `log` the rest of its log, encoded; None while it runs. In a list both
    are left out, and the title is only its beginning.
    """

    id: str
    kind: OperationKind
    state: OperationState
    title: str
    session_id: str | None
    session: str | None
    model_path: str | None
    n_events: int
    created_at: float
    ended_at: float | None
    text: str = ""
    log: bytes | None = None


class OperationStore:
    """The operations of a database; every method raises StoreError where the disk refuses."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        id: str,
        kind: OperationKind,
        title: str,
        session_id: str | None,
        model_path: str | None,
        now: float,
    ) -> None:
        """A new operation, queued. A session that was deleted meanwhile is left out."""
        self._database.execute(
            "INSERT INTO operations (id, kind, state, title, session_id, model_path, created_at)"
            " VALUES (?, ?, 'queued', ?, (SELECT id FROM sessions WHERE id = ?), ?, ?)",
            *(id, kind, title, session_id, model_path, now),
        )

    def append_events(self, id: str, seq: int, events: bytes) -> None:
        """Keep what a running operation said since, from number `seq` on; in place of the same."""
        self._database.execute("INSERT OR REPLACE INTO journal VALUES (?, ?, ?)", id, seq, events)

    def events(self, id: str) -> list[bytes]:
        """What a running operation said, as it was kept, in order."""
        rows = self._database.rows(
            "SELECT events FROM journal WHERE operation_id = ? ORDER BY seq", id
        )
        return [row["events"] for row in rows]

    def finish(
        self, id: str, state: OperationState, text: str, log: bytes, n_events: int, now: float
    ) -> None:
        """Keep how it ended, and all it said, in place of what was kept while it ran."""
        with self._database.transaction():
            self._database.execute(
                "UPDATE operations SET state = ?, text = ?, log = ?, n_events = ?, ended_at = ?"
                " WHERE id = ?",
                *(state, text, log, n_events, now, id),
            )
            self._database.execute("DELETE FROM journal WHERE operation_id = ?", id)

    def get(self, id: str) -> OperationRow | None:
        """One operation, if it is kept and can be read."""
        row = self._database.row(
            f"SELECT {_COLUMNS}, title, text, log {_FROM} WHERE operations.id = ?", id
        )
        return None if row is None else readable_row(row, _operation)

    def unfinished(self) -> list[str]:
        """What is queued or running, oldest first."""
        rows = self._database.rows(
            "SELECT id FROM operations WHERE ended_at IS NULL ORDER BY rowid"
        )
        return [row["id"] for row in rows]

    def forget(self, kind: OperationKind, title: str, id: str) -> int:
        """Forget one operation, and all ended ones of its kind and title; returns how many."""
        return self._database.execute(
            "DELETE FROM operations"
            " WHERE id = ? OR (ended_at IS NOT NULL AND kind = ? AND title = ?)",
            *(id, kind, title),
        )

    def prune(self, keep_n: int) -> int:
        """Forget all but the latest `keep_n` operations and those that run; returns how many."""
        return self._database.execute(
            "DELETE FROM operations WHERE ended_at IS NOT NULL AND id NOT IN"
            " (SELECT id FROM operations ORDER BY rowid DESC LIMIT ?)",
            keep_n,
        )

    def list(self, limit: int = 20, session_id: str | None = None) -> list[OperationRow]:
        """The latest operations (of a session), newest first."""
        condition = "" if session_id is None else "WHERE session_id = ?"
        values = () if session_id is None else (session_id,)
        rows = self._database.rows(
            f"SELECT {_COLUMNS}, substr(title, 1, {LISTED_LENGTH}) AS title"
            f" {_FROM} {condition} ORDER BY operations.rowid DESC LIMIT ?",
            *(*values, limit),
        )
        return readable(rows, _operation)


def _operation(row: dict[str, Any]) -> OperationRow:
    return msgspec.convert(row, OperationRow)
