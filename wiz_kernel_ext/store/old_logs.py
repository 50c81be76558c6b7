"""How logs of one row per event became one row per operation: a part of a migration.

As that, it is never changed: it knows the layout of its day, not today's. An event that cannot be
read is left out.
"""

from __future__ import annotations

import sqlite3
from typing import Any

import msgspec


def pack_old_operation(connection: sqlite3.Connection, old: sqlite3.Row) -> None:
    """Carry one operation over from `old_operations` and `events`."""
    events = connection.execute(
        "SELECT seq, event FROM events WHERE operation_id = ? ORDER BY seq", (old["id"],)
    ).fetchall()
    ended = old["ended_at"] is not None
    text, log, n_events = _packed(old, events) if ended else ("", None, 0)
    connection.execute(
        "INSERT INTO operations (id, kind, state, session_id, model_path, n_events, created_at,"
        " ended_at, title, text, log) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(old["id"], old["kind"], old["state"], old["session_id"], old["model_path"]),
            *(n_events, old["created_at"], old["ended_at"], old["title"], text, log),
        ),
    )
    if not ended:
        connection.executemany(
            "INSERT INTO journal VALUES (?, ?, ?)",
            [
                (old["id"], seq, msgspec.msgpack.encode([[seq, msgspec.Raw(event)]]))
                for seq, event in events
            ],
        )


def _packed(old: sqlite3.Row, events: list[sqlite3.Row]) -> tuple[str, bytes, int]:
    """The text of an ended operation, the rest of its log, and the number after its last event."""
    items: list[list[Any]] = []
    text, next_seq, last = "", 0, ""
    for seq, encoded in events:
        event = _read(encoded)
        if event is None:
            continue
        next_seq, last = seq + 1, event["kind"]
        if last == "delta":
            _add_piece(items, seq, len(event["text"]), event.get("nTokens", 1))
            text += event["text"]
        elif last == "end" and _take_text(event, text):
            items.append(["end", seq, event])
        else:
            items.append(["event", seq, msgspec.Raw(encoded)])
    if last != "end":
        items.append(["event", next_seq, _end_of(old)])
        next_seq += 1
    return text, msgspec.msgpack.encode(items), next_seq


def _read(encoded: bytes) -> dict[str, Any] | None:
    try:
        event = msgspec.msgpack.decode(encoded)
        is_event = event["kind"] != "delta" or isinstance(event["text"], str)
        return event if is_event else None
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError, IndexError):
        return None


def _add_piece(items: list[list[Any]], seq: int, n_chars: int, n_tokens: int) -> None:
    last = items[-1] if items else None
    if last is None or last[0] != "pieces" or last[1] + len(last[2]) != seq:
        last = ["pieces", seq, [], []]
        items.append(last)
    last[2].append(n_chars)
    last[3].append(n_tokens)


def _take_text(end: dict[str, Any], text: str) -> bool:
    """Take the text out of an end that says it again; False where it does not."""
    error, result = end.get("error"), end.get("result")
    if not text:
        return False
    if isinstance(error, dict):
        details = error.get("details", {})
        return bool(details.get("text") == text) and details.pop("text") == text
    if isinstance(result, dict) and result.get("text") == text:
        result["text"] = ""
        return True
    return False


def _end_of(old: sqlite3.Row) -> dict[str, Any]:
    """The end of an operation whose last event is lost."""
    nil = msgspec.Raw(b"\xc0")
    result, error = (msgspec.Raw(old[name]) if old[name] else nil for name in ("result", "error"))
    return {"kind": "end", "state": old["state"], "result": result, "error": error}
