"""One damaged value costs its row: not a list, not a status, not a service's start."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from wiz_kernel_ext.protocol.codec import decode, encode, raw
from wiz_kernel_ext.protocol.events import Delta, Notice
from wiz_kernel_ext.protocol.requests import OpenSession
from wiz_kernel_ext.protocol.results import OperationInfo, SessionInfo, SessionMessage
from wiz_kernel_ext.service.operations import Operation
from wiz_kernel_ext.service.records import Records, operation_info
from wiz_kernel_ext.service.sessions import Sessions


async def begun(file: Path) -> None:
    """Two conversations of two turns each, and two prompts that were cut off."""
    records = Records(file, flush_interval_s=0.01)
    await records.start()
    for name in ("good", "bad"):
        session = await Sessions(records).open(OpenSession(session=name))
        for n in range(2):
            said = [
                SessionMessage(role="user", content=f"q{n}", operation_id=f"{name}-{n}"),
                SessionMessage(role="assistant", content=f"a{n}", operation_id=f"{name}-{n}"),
            ]
            await records.call(records.sessions.add_messages, session.id, said)
        operation = Operation("prompt", title=name, session_id=session.id)
        await records.created(operation)
        for piece in ("one ", "two ", "three"):
            operation.emit(Delta(text=piece))
            # Each piece by itself.
            while list(operation.events.since(operation.recorded_seq)):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        records._open.clear()  # cut off here
    await records.close()


def change(file: Path, sql: str, *values: Any) -> None:
    connection = sqlite3.connect(file)
    assert connection.execute(sql, values).rowcount > 0
    connection.commit()
    connection.close()


BAD_SESSION = "WHERE name = 'bad'"
DAMAGES: list[tuple[str, Any]] = [
    (f"UPDATE sessions SET load_options = ? {BAD_SESSION}", '{"gpuLayers": '),
    (f"UPDATE sessions SET load_options = ? {BAD_SESSION}", '["a list"]'),
    (f"UPDATE sessions SET context_options = ? {BAD_SESSION}", b"\xff\xfe"),
    (f"UPDATE sessions SET adapters = ? {BAD_SESSION}", '["a", 2]'),
    (f"UPDATE sessions SET adapters = ? {BAD_SESSION}", b"\xff["),
    (f"UPDATE sessions SET system_prompt = CAST(? AS TEXT) {BAD_SESSION}", b"caf\xe9"),
    (f"UPDATE sessions SET updated_at = ? {BAD_SESSION}", "yesterday"),
    (f"UPDATE sessions SET notebook = ? {BAD_SESSION}", b"\x00\x01"),
    ("UPDATE operations SET state = ? WHERE title = 'bad'", "runnimg"),
    ("UPDATE operations SET kind = ? WHERE title = 'bad'", b"\xc3"),
    ("UPDATE operations SET created_at = ? WHERE title = 'bad'", "x"),
    ("UPDATE operations SET title = CAST(? AS TEXT) WHERE title = 'bad'", b"ba\xe4"),
    ("UPDATE messages SET role = ? WHERE operation_id = 'bad-0' AND role = 'user'", "usfr"),
    ("UPDATE messages SET content = ? WHERE operation_id = 'bad-0' AND role = 'user'", None),
    ("UPDATE messages SET content = CAST(? AS TEXT) WHERE operation_id = 'bad-0'", b"\xe9"),
    (
        "UPDATE journal SET events = ? WHERE seq = 2 AND operation_id ="
        " (SELECT id FROM operations WHERE title = 'bad')",
        b"\xc1",
    ),
    (
        "UPDATE journal SET events = ? WHERE seq = 2 AND operation_id ="
        " (SELECT id FROM operations WHERE title = 'bad')",
        encode([(2, raw({"kind": "delta", "text": "xyz"}))]).replace(b"xyz", b"x\xffz"),
    ),
    (
        "UPDATE journal SET events = ? WHERE seq = 2 AND operation_id ="
        " (SELECT id FROM operations WHERE title = 'bad')",
        "a text",
    ),
]


@pytest.mark.parametrize(("sql", "value"), DAMAGES)
async def test_a_damaged_value_costs_its_row(tmp_path: Path, sql: str, value: Any) -> None:
    file = tmp_path / "wiz.sqlite"
    await begun(file)
    change(file, sql, value)
    records = Records(file)
    await records.start()
    sessions = Sessions(records)
    listed = await sessions.list(20)
    assert "good" in [session.name for session in listed]
    # As its asker reads it.
    assert decode(encode(listed), list[SessionInfo]) == listed
    rows = await records.call(records.operations.list, 20)
    infos = [operation_info(row) for row in rows]
    assert "good" in [info.title for info in infos]
    assert decode(encode(infos), list[OperationInfo]) == infos
    good = await sessions.detail("good")
    assert [m.content for m in good.messages] == ["q0", "a0", "q1", "a1", "good", "one two three"]
    if "sessions" not in sql or "options" in sql:
        bad = await sessions.detail("bad")
        assert len(bad.messages) >= 3
    await records.close()


async def test_a_damaged_part_of_a_log_costs_that_part_and_says_so(tmp_path: Path) -> None:
    file = tmp_path / "wiz.sqlite"
    await begun(file)
    change(file, *DAMAGES[-2])
    records = Records(file)
    rows = await records.start()
    (bad,) = [row for row in rows if row.title == "bad"]
    assert bad.text == "one three"
    restored = await records.restore(bad.id)
    notices = [n.event.text for n in restored.events if isinstance(n.event, Notice)]
    assert notices == ["A part of this was damaged on the disk, and is missing."]
    await records.close()
