"""Conversations as rows: their names, older names, settings and messages.

Knows the tables `sessions`, `messages` and `aliases`; not models or prompts. Called by the
service, on the store's thread. A name is any text; a session is found by its id, its name, or a
name it had before.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import msgspec

from wiz_kernel_ext.errors import Conflict, SessionNotFound
from wiz_kernel_ext.protocol.results import SessionMessage
from wiz_kernel_ext.store.database import LISTED_LENGTH, Database, readable, readable_row

_COLUMNS = """
    id, name, notebook, kernel_id, model_path, load_options, context_options, adapters, created_at,
    updated_at, (SELECT count(*) FROM messages WHERE session_id = id) AS n_messages
"""
_SELECT = f"SELECT {_COLUMNS}, system_prompt FROM sessions"
# An answer is kept with the operation that gave it, for as long as that is kept.
_SELECT_MESSAGES = """
    SELECT role, operation_id, finish_reason,
        coalesce(content, (SELECT text FROM operations WHERE id = operation_id)) AS content
    FROM messages
"""

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class SessionRow:
    """A session. The options are as `LoadModel` and `CreateContext` travel; times epoch seconds.

    `adapters` are as in `AnyPrompt`, by path.

    Of a system prompt a list has the beginning.
    """

    id: str
    name: str
    system_prompt: str | None
    notebook: str | None
    kernel_id: str | None
    model_path: str | None
    load_options: dict[str, Any]
    context_options: dict[str, Any]
    adapters: list[str]
    n_messages: int
    created_at: float
    updated_at: float


class SessionStore:
    """The sessions of a database; every method raises StoreError where the disk refuses."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def create(
        self,
        name: str,
        system_prompt: str | None = None,
        notebook: str | None = None,
        kernel_id: str | None = None,
        now: float | None = None,
    ) -> SessionRow:
        """A new, empty session; raises Conflict if one is called `name`."""
        session_id = uuid4().hex[:12]
        at = self._clock() if now is None else now
        with self._database.transaction():
            self._claim(name, session_id)
            self._database.execute(
                "INSERT INTO sessions (id, name, system_prompt, notebook, kernel_id, created_at,"
                " updated_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
                *(session_id, name, system_prompt, notebook, kernel_id, at, at),
            )
        return self._get(session_id)

    def find(self, name_or_id: str) -> SessionRow | None:
        """The session of that id, else of that name, else the one that had that name before."""
        for condition in (
            "WHERE id = ?",
            "WHERE name = ?",
            "WHERE id = (SELECT session_id FROM aliases WHERE aliases.name = ?)",
        ):
            row = self._database.row(f"{_SELECT} {condition}", name_or_id)
            if row is not None and (session := readable_row(row, _session)):
                return session
        return None

    def find_by_notebook(
        self, notebook: str | None = None, kernel_id: str | None = None
    ) -> SessionRow | None:
        """The session last used by that notebook, else by that kernel (a renamed notebook's)."""
        for column, value in (("notebook", notebook), ("kernel_id", kernel_id)):
            row = value and self._database.row(
                f"{_SELECT} WHERE {column} = ? ORDER BY updated_at DESC, rowid DESC LIMIT 1", value
            )
            if row and (session := readable_row(row, _session)):
                return session
        return None

    def rename(self, session_id: str, name: str) -> None:
        """Give another name; the old one still finds it. Raises SessionNotFound, Conflict."""
        with self._database.transaction():
            old = self._get(session_id).name
            self._claim(name, session_id)
            self._database.execute("UPDATE sessions SET name = ? WHERE id = ?", name, session_id)
            if old != name:
                self._database.execute(
                    "INSERT OR REPLACE INTO aliases (name, session_id) VALUES (?, ?)",
                    *(old, session_id),
                )

    def set_aside(self, session_id: str, name: str) -> None:
        """Give another name, and leave all older ones and the notebook to a session to come.

        Raises SessionNotFound, Conflict.
        """
        with self._database.transaction():
            self._get(session_id)
            self._claim(name, session_id)
            self._database.execute("DELETE FROM aliases WHERE session_id = ?", session_id)
            self._database.execute(
                "UPDATE sessions SET name = ?, notebook = NULL, kernel_id = NULL WHERE id = ?",
                *(name, session_id),
            )

    def set_system_prompt(self, session_id: str, system_prompt: str | None) -> None:
        """Set or clear the system prompt; raises SessionNotFound."""
        self._set(session_id, system_prompt=system_prompt)

    def set_adapters(self, session_id: str, adapters: Sequence[str]) -> None:
        """Set its adapters, by path; raises SessionNotFound."""
        self._set(session_id, adapters=json.dumps(list(adapters)))

    def set_notebook(self, session_id: str, notebook: str | None, kernel_id: str | None) -> None:
        """Note which notebook and kernel use it now; None leaves what is known."""
        given = {"notebook": notebook, "kernel_id": kernel_id}
        self._set(session_id, **{name: value for name, value in given.items() if value})

    def set_model(
        self,
        session_id: str,
        model_path: str,
        load_options: dict[str, Any],
        context_options: dict[str, Any],
    ) -> None:
        """Note which model it talks to and how that was loaded; raises SessionNotFound."""
        self._set(
            session_id,
            model_path=model_path,
            load_options=json.dumps(load_options),
            context_options=json.dumps(context_options),
        )

    def add_messages(self, session_id: str, messages: Sequence[SessionMessage]) -> None:
        """Append to the conversation, all or none; raises SessionNotFound.

        What a message's operation has as its text is not kept again.
        """
        with self._database.transaction():
            self._set(session_id)
            row = self._database.row(
                "SELECT coalesce(max(position) + 1, 0) AS next FROM messages WHERE session_id = ?",
                session_id,
            )
            first = row["next"] if row else 0
            self._database.execute_many(
                "INSERT INTO messages (session_id, position, role, operation_id, finish_reason,"
                " content) VALUES (?1, ?2, ?3, ?4, ?5,"
                " nullif(?6, (SELECT text FROM operations WHERE id = ?4 AND log IS NOT NULL)))",
                [
                    (session_id, first + i, m.role, m.operation_id, m.finish_reason, m.content)
                    for i, m in enumerate(messages)
                ],
            )

    def has_turn(self, session_id: str, operation_id: str) -> bool:
        """Whether the conversation has messages of that operation."""
        row = self._database.row(
            "SELECT 1 FROM messages WHERE session_id = ? AND operation_id = ?",
            *(session_id, operation_id),
        )
        return row is not None

    def messages(self, session_id: str) -> list[SessionMessage]:
        """The conversation, oldest first; empty for an unknown session."""
        rows = self._database.rows(
            f"{_SELECT_MESSAGES} WHERE session_id = ? ORDER BY position", session_id
        )
        return readable(rows, _message)

    def drop_last_turn(self, session_id: str) -> list[SessionMessage]:
        """Forget what was said from the user's last message on; returns it, oldest first.

        Empty where nothing was asked yet. Raises SessionNotFound.
        """
        with self._database.transaction():
            self._set(session_id)
            row = self._database.row(
                "SELECT max(position) AS last FROM messages WHERE session_id = ? AND role = 'user'",
                session_id,
            )
            if row is None or row["last"] is None:
                return []
            where = "WHERE session_id = ? AND position >= ?"
            dropped = self._database.rows(
                f"{_SELECT_MESSAGES} {where} ORDER BY position", session_id, row["last"]
            )
            self._database.execute(f"DELETE FROM messages {where}", session_id, row["last"])
        return readable(dropped, _message)

    def delete(self, session_id: str) -> None:
        """Forget a session, its messages and its names; its operations stay in the history."""
        if not self._database.execute("DELETE FROM sessions WHERE id = ?", session_id):
            raise _unknown(session_id)

    def list(self, limit: int = 100) -> list[SessionRow]:
        """The latest used sessions, latest first."""
        rows = self._database.rows(
            f"SELECT {_COLUMNS}, substr(system_prompt, 1, {LISTED_LENGTH}) AS system_prompt"
            " FROM sessions ORDER BY updated_at DESC, rowid DESC LIMIT ?",
            limit,
        )
        return readable(rows, _session)

    def _get(self, session_id: str) -> SessionRow:
        row = self._database.row(f"{_SELECT} WHERE id = ?", session_id)
        if row is None:
            raise _unknown(session_id)
        return _session(row)

    def _set(self, session_id: str, **columns: str | None) -> None:
        assignments = "".join(f", {column} = ?" for column in columns)
        changed = self._database.execute(
            f"UPDATE sessions SET updated_at = ?{assignments} WHERE id = ?",
            *(self._clock(), *columns.values(), session_id),
        )
        if not changed:
            raise _unknown(session_id)

    def _claim(self, name: str, session_id: str) -> None:
        """Make `name` free for this session: a name in use wins over a name of old."""
        if self._database.row(
            "SELECT 1 FROM sessions WHERE name = ? AND id != ?", name, session_id
        ):
            raise Conflict(f"There is a session called {name!r} already.", field="session")
        self._database.execute("DELETE FROM aliases WHERE name = ?", name)


def _session(row: dict[str, Any]) -> SessionRow:
    options = {name: _options(row[name]) for name in ("load_options", "context_options")}
    return msgspec.convert({**row, **options, "adapters": _texts(row["adapters"])}, SessionRow)


def _texts(text: Any) -> list[str]:
    """A list of texts; nothing where that is damaged."""
    try:
        return msgspec.json.decode(text, type=list[str])
    except (msgspec.DecodeError, TypeError, UnicodeDecodeError) as error:
        log.warning("A session's adapters are damaged: %s", error)
        return []


def _options(text: Any) -> dict[str, Any]:
    """How a model was loaded; nothing where that is damaged, as after a load with the defaults."""
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, TypeError, UnicodeDecodeError) as error:
        log.warning("How a session's model was loaded is damaged: %s", error)
        return {}


def _message(row: dict[str, Any]) -> SessionMessage:
    message = SessionMessage(**row)
    return msgspec.convert(msgspec.to_builtins(message), SessionMessage)


def _unknown(session_id: str) -> SessionNotFound:
    return SessionNotFound(f"There is no session {session_id!r}.", field="session")
