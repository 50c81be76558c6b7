"""Operations as rows: what was asked, how it ended, and its numbered events, encoded.

Knows the tables `operations` and `events`; not what an event says. The latest is the one that was
written last: clocks are put back. Called by the service, on the store's thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wiz_kernel_ext.protocol.results import OperationKind, OperationState
from wiz_kernel_ext.store.database import Database

_SELECT = """
    SELECT operations.id, kind, state, title, session_id, sessions.name AS session,
        operations.model_path, operations.created_at, ended_at, text, result, error,
        (SELECT coalesce(max(seq) + 1, 0) FROM events WHERE operation_id = operations.id)
            AS n_events
    FROM operations LEFT JOIN sessions ON sessions.id = session_id
"""


@dataclass(frozen=True, kw_only=True)
class OperationRow:
    """An operation. `session` is its session's name now; `result` and `error` are encoded."""

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
    text: str
    result: bytes | None
    error: bytes | None


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

    def append_events(self, id: str, events: Sequence[tuple[int, bytes]]) -> None:
        """Keep events by their number, all or none; one kept already is replaced."""
        with self._database.transaction():
            self._database.execute_many(
                "INSERT OR REPLACE INTO events VALUES (?, ?, ?)",
                [(id, seq, event) for seq, event in events],
            )

    def events(self, id: str, from_seq: int = 0) -> list[tuple[int, bytes]]:
        """The kept events from number `from_seq` on, in order."""
        rows = self._database.rows(
            "SELECT seq, event FROM events WHERE operation_id = ? AND seq >= ? ORDER BY seq",
            *(id, from_seq),
        )
        return [(row["seq"], row["event"]) for row in rows]

    def finish(
        self,
        id: str,
        state: OperationState,
        result: bytes | None,
        error: bytes | None,
        text: str,
        now: float,
    ) -> None:
        """Keep how it ended."""
        self._database.execute(
            "UPDATE operations SET state = ?, result = ?, error = ?, text = ?, ended_at = ?"
            " WHERE id = ?",
            *(state, result, error, text, now, id),
        )

    def get(self, id: str) -> OperationRow | None:
        """One operation, if it is kept."""
        row = self._database.row(f"{_SELECT} WHERE operations.id = ?", id)
        return None if row is None else OperationRow(**row)

    def mark_interrupted(self, now: float) -> list[str]:
        """End what a service that is gone left queued or running; returns those, oldest first."""
        with self._database.transaction():
            rows = self._database.rows(
                "SELECT id FROM operations WHERE state IN ('queued', 'running') ORDER BY rowid"
            )
            self._database.execute(
                "UPDATE operations SET state = 'interrupted', ended_at = ?"
                " WHERE state IN ('queued', 'running')",
                now,
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
            f"{_SELECT} {condition} ORDER BY operations.rowid DESC LIMIT ?",
            *(*values, limit),
        )
        return [OperationRow(**row) for row in rows]
