"""A database of the day when a text stood in events, result and message, brought to today."""

from __future__ import annotations

from pathlib import Path

from wiz_kernel_ext.errors import OperationInterrupted
from wiz_kernel_ext.protocol.codec import decode, encode, raw
from wiz_kernel_ext.protocol.events import AnyEvent, Delta, End, Progress, StateChanged
from wiz_kernel_ext.protocol.results import AnswerInfo
from wiz_kernel_ext.store import Database, OperationStore, SessionStore
from wiz_kernel_ext.store.migrations import MIGRATIONS

# The version before texts were kept once.
OLD = MIGRATIONS[:4]


def old_operation(
    database: Database, id: str, state: str, events: dict[int, bytes], text: str = ""
) -> None:
    """An operation as it was kept then."""
    ended = None if state in ("queued", "running") else 9.0
    database.execute(
        "INSERT INTO operations (id, kind, state, title, session_id, created_at, ended_at, text,"
        " result) VALUES (?, 'prompt', ?, ?, 's', 1, ?, ?, ?)",
        *(id, state, f"title of {id}", ended, text, encode(AnswerInfo(text=text))),
    )
    for seq, event in events.items():
        database.execute("INSERT INTO events VALUES (?, ?, ?)", id, seq, event)


def encoded(*events: AnyEvent, first: int = 0) -> dict[int, bytes]:
    return {first + n: encode(event) for n, event in enumerate(events)}


SAID = (StateChanged(state="running"), Delta(text="Grüß"), Delta(text=" dich", n_tokens=3))
ANSWER = End(state="done", result=raw(AnswerInfo(text="Grüß dich")))
CUT_OFF = End(
    state="interrupted", error=OperationInterrupted("x", operation_id="b", text="Grüß dich").info()
)


def begin(path: Path) -> None:
    database = Database.open(path, OLD)
    database.execute(
        "INSERT INTO sessions (id, name, created_at, updated_at) VALUES ('s', 'old', 1, 1)"
    )
    old_operation(database, "a", "done", encoded(*SAID, ANSWER), "Grüß dich")
    gap = {**encoded(*SAID), **encoded(Progress(stage="x", done=1), CUT_OFF, first=10)}
    old_operation(database, "b", "interrupted", gap, "Grüß dich")
    old_operation(database, "c", "running", encoded(*SAID))
    damaged = {**encoded(*SAID), 1: b"\xc1 no event", 2: encode({"kind": "delta", "text": 7})}
    old_operation(database, "d", "done", damaged, "Grüß dich")
    rows = [("user", "Hello", "a"), ("assistant", "Grüß dich", "a"), ("assistant", "other", "b")]
    for position, (role, content, id) in enumerate(rows):
        database.execute(
            "INSERT INTO messages VALUES ('s', ?, ?, ?, ?, NULL)", position, role, content, id
        )
    database.close()


def test_rows_of_the_old_layout_are_carried_over(path: Path) -> None:
    begin(path)
    database = Database.open(path)
    operations = OperationStore(database)
    a, b, c, d = (operations.get(id) for id in "abcd")
    assert a is not None and b is not None and c is not None and d is not None
    assert [row.id for row in operations.list()] == ["d", "c", "b", "a"]
    assert (a.text, a.n_events, a.state, a.title, a.session) == (
        *("Grüß dich", 4, "done", "title of a", "old"),
    )
    assert (b.text, b.n_events) == ("Grüß dich", 12)
    assert "Grüß".encode() not in (a.log or b"") + (b.log or b"")
    assert operations.unfinished() == ["c"]
    chunks = [decode(chunk, list[tuple[int, dict]]) for chunk in operations.events("c")]  # type: ignore[type-arg]
    assert [(seq, event["kind"]) for ((seq, event),) in chunks] == [
        *((0, "state"), (1, "delta"), (2, "delta")),
    ]
    # What cannot be read is left out, and an end is made of what the row says.
    assert (d.text, d.n_events) == ("", 2)
    said = SessionStore(database).messages("s")
    assert [m.content for m in said] == ["Hello", "Grüß dich", "other"]
    kept = database.rows("SELECT content FROM messages ORDER BY position")
    assert [row["content"] for row in kept] == ["Hello", None, "other"]
    SessionStore(database).delete("s")
    assert [row.text for row in operations.list()] == [""] * 4
    database.close()
