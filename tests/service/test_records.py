"""What is kept of operations: real SQLite, a service that is cut off, a disk that is full."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.store.test_texts_once import ANSWER, CUT_OFF, SAID
from tests.store.test_texts_once import begin as begin_old_database
from wiz_kernel_ext.errors import OperationNotFound, StoreError
from wiz_kernel_ext.protocol.codec import decode
from wiz_kernel_ext.protocol.events import Delta, End, Notice, Progress
from wiz_kernel_ext.protocol.requests import OpenSession
from wiz_kernel_ext.protocol.results import AnswerInfo, SessionMessage
from wiz_kernel_ext.service.operations import Operation
from wiz_kernel_ext.service.records import PRUNE_EVERY, Records
from wiz_kernel_ext.service.sessions import Sessions

FLUSH_S = 0.05
"""Sooner than in a service."""


def full(*_: Any) -> None:
    raise StoreError("The disk is full.")


async def finish(records: Records, operation: Operation) -> None:
    """What `Operations` does at the end of a body."""
    end = End(state="done")
    await records.ended(operation, end)
    operation.finish(end)


async def started(file: Path) -> Records:
    records = Records(file, flush_interval_s=FLUSH_S)
    await records.start()
    return records


async def test_an_ended_operation_is_restored_with_its_whole_log(tmp_path: Path) -> None:
    records = await started(tmp_path / "wiz.sqlite")
    operation = Operation("prompt", title="hello")
    await records.created(operation)
    operation.emit(Delta(text="a"))
    operation.emit(Delta(text="b"))
    await finish(records, operation)
    restored = await records.restore(operation.id)
    assert list(restored.events) == list(operation.events)
    assert (restored.state, restored.text, restored.ended) == ("done", "ab", True)
    await records.close()


async def test_events_reach_the_disk_while_the_operation_runs(tmp_path: Path) -> None:
    file = tmp_path / "wiz.sqlite"
    records = await started(file)
    operation = Operation("prompt", title="long")
    await records.created(operation)
    operation.emit(Delta(text="so far"))
    await asyncio.sleep(6 * FLUSH_S)
    # A second service finds what the first, cut off here, had written.
    other = Records(file)
    (row,) = await other.start()
    assert (row.id, row.state, row.text) == (operation.id, "interrupted", "so far")
    restored = await other.restore(operation.id)
    assert restored.end.error is not None
    assert restored.end.error.details["text"] == "so far"
    await other.close()
    await records.close()


async def test_of_a_long_download_the_disk_keeps_a_few_lines(tmp_path: Path) -> None:
    records = await started(tmp_path / "wiz.sqlite")
    operation = Operation("download")
    await records.created(operation)
    for n in range(8):
        operation.emit(Progress(stage="download", done=n))
        await asyncio.sleep(1.2 * FLUSH_S)
    await finish(records, operation)
    restored = await records.restore(operation.id)
    assert list(restored.events) == list(operation.events)
    assert len(list(restored.events)) == 3
    await records.close()


async def test_a_turn_that_was_cut_off_is_added_to_its_conversation_marked(tmp_path: Path) -> None:
    file = tmp_path / "wiz.sqlite"
    first = await started(file)
    session = await Sessions(first).open(OpenSession(session="mine"))
    operation = Operation("prompt", title="a question", session_id=session.id)
    await first.created(operation)
    operation.emit(Delta(text="half an ans"))
    await asyncio.sleep(6 * FLUSH_S)
    second = Records(file)
    sessions = Sessions(second)
    await second.start()
    messages = (await sessions.detail("mine")).messages
    assert [(m.role, m.content, m.finish_reason) for m in messages] == [
        ("user", "a question", None),
        ("assistant", "half an ans", "interrupted"),
    ]
    await second.close()
    await first.close()


async def test_a_turn_that_was_kept_just_before_the_end_is_not_kept_twice(tmp_path: Path) -> None:
    file = tmp_path / "wiz.sqlite"
    first = await started(file)
    sessions = Sessions(first)
    session = await sessions.open(OpenSession(session="mine"))
    operation = Operation("prompt", title="a question", session_id=session.id)
    await first.created(operation)
    operation.emit(Delta(text="an answer"))
    said = [
        SessionMessage(role="user", content="a question", operation_id=operation.id),
        SessionMessage(role="assistant", content="an answer", operation_id=operation.id),
    ]
    await first.call(first.sessions.add_messages, session.id, said)
    await asyncio.sleep(6 * FLUSH_S)
    second = Records(file)
    sessions = Sessions(second)
    await second.start()
    assert (await sessions.detail("mine")).messages == said
    await second.close()
    await first.close()


async def test_the_history_is_kept_short_while_the_service_lives(tmp_path: Path) -> None:
    records = Records(tmp_path / "wiz.sqlite", n_kept=5)
    await records.start()
    for _ in range(3 * PRUNE_EVERY):
        operation = Operation("prompt")
        await records.created(operation)
        await finish(records, operation)
    assert len(await records.call(records.operations.list, 1000)) <= 5 + PRUNE_EVERY
    await records.close()


async def test_a_store_that_cannot_be_written_costs_the_history_not_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = await started(tmp_path / "wiz.sqlite")

    monkeypatch.setattr(records.operations, "append_events", full)
    operation = Operation("prompt")
    await records.created(operation)
    operation.emit(Delta(text="a"))
    await asyncio.sleep(0.3)
    await finish(records, operation)
    notices = [n.event for n in operation.events if isinstance(n.event, Notice)]
    assert [notice.text for notice in notices] == [
        "This is kept in memory until it can be written: The disk is full."
    ]
    assert operation.text == "a"
    await records.close()


async def test_an_unknown_operation_is_not_found(tmp_path: Path) -> None:
    records = await started(tmp_path / "wiz.sqlite")
    with pytest.raises(OperationNotFound, match="op-none"):
        await records.restore("op-none")
    await records.close()


async def test_operations_of_the_old_layout_are_restored_event_for_event(tmp_path: Path) -> None:
    file = tmp_path / "wiz.sqlite"
    begin_old_database(file)
    records = await started(file)
    a, b, c, d = [await records.restore(id) for id in "abcd"]
    assert [n.event for n in a.events] == [*SAID, ANSWER]
    assert [n.seq for n in b.events] == [0, 1, 2, 10, 11]
    assert b.end == CUT_OFF
    assert (c.state, c.text, c.end.error and c.end.error.details["text"]) == (
        *("interrupted", "Grüß dich", "Grüß dich"),
    )
    assert (d.end.state, decode(d.end.result, AnswerInfo).text) == ("done", "Grüß dich")
    messages = (await Sessions(records).detail("old")).messages
    assert [m.content for m in messages] == [
        *("Hello", "Grüß dich", "other", "title of c", "Grüß dich"),
    ]
    await records.close()


async def test_a_turn_of_a_session_that_was_deleted_costs_nothing_else(tmp_path: Path) -> None:
    records = await started(tmp_path / "wiz.sqlite")
    sessions = Sessions(records)
    session = await sessions.open(OpenSession(session="mine"))
    operation = Operation("prompt", title="q", session_id=session.id)
    operation.asked = SessionMessage(role="user", content="q", operation_id=operation.id)
    await records.created(operation)
    operation.emit(Delta(text="a"))
    await sessions.delete("mine")
    await finish(records, operation)
    restored = await records.restore(operation.id)
    assert (restored.state, restored.text) == ("done", "a")
    await records.close()
