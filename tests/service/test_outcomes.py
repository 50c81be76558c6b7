"""No room on the disk: who asks has the answer, and what could not be written is written later."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from wiz_kernel_ext.errors import StoreError
from wiz_kernel_ext.protocol.codec import raw
from wiz_kernel_ext.protocol.events import Delta, End, Notice
from wiz_kernel_ext.protocol.requests import OpenSession
from wiz_kernel_ext.protocol.results import AnswerInfo, SessionMessage
from wiz_kernel_ext.service import records as records_module
from wiz_kernel_ext.service.operations import Operation, Operations
from wiz_kernel_ext.service.outcomes import Outcome, Waiting
from wiz_kernel_ext.service.records import Records
from wiz_kernel_ext.service.sessions import Sessions

# An answer that needs room of its own, also in a database that has had some deleted.
PADDING = "and more " * 40


class Disk:
    """The room that a database has: SQLite's own limit, or a real file system that is filled."""

    def __init__(self, folder: Path, records: Records) -> None:
        self.folder = folder
        self.records = records

    async def fill(self) -> None:
        await self._limit(1)

    async def free(self) -> None:
        await self._limit(100_000)

    async def _limit(self, n_pages: int) -> None:
        database = self.records._database
        await self.records.call(database.rows, f"PRAGMA max_page_count = {n_pages}")


class RealDisk(Disk):
    async def fill(self) -> None:
        with (self.folder / "ballast").open("ab", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(b"x" * 4096)
            except OSError:
                pass

    async def free(self) -> None:
        (self.folder / "ballast").unlink(missing_ok=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records_module, "RETRY_INTERVAL_S", 0.02)


async def ask(
    records: Records, operations: Operations, session_id: str, n: int, words: int = 40
) -> Operation:
    """A prompt that is answered and whose end was heard."""
    operation = Operation("prompt", title=f"question {n}", session_id=session_id)
    operation.asked = SessionMessage(
        role="user", content=f"question {n}", operation_id=operation.id
    )

    async def body(operation: Operation) -> AnswerInfo:
        for word in range(words):
            operation.pass_on(raw(Delta(text=f"answer {n} word {word} {PADDING}")))
            if not word % 10:
                await asyncio.sleep(0)
        return AnswerInfo(text=operation.text)

    await operations.start(operation, body)
    async for _ in operation.follow():
        pass
    return operation


async def settled(records: Records) -> None:
    for _ in range(500):
        if not records.waiting():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("what waits is not written")


async def check(file: Path, answered: list[Operation]) -> None:
    """Another service finds every turn in its conversation, in order, and how each ended."""
    records = Records(file)
    try:
        assert await records.start() == []
        await _check(records, answered)
    finally:
        await records.close()


async def _check(records: Records, answered: list[Operation]) -> None:
    by_session: dict[str, list[str]] = {}
    for operation in answered:
        assert operation.session_id is not None
        by_session.setdefault(operation.session_id, []).append(operation.text)
        restored = await records.restore(operation.id)
        assert (restored.state, restored.text) == (operation.state, operation.text)
        assert list(restored.events) == list(operation.events)
    for session_id, texts in by_session.items():
        messages = await records.messages(session_id)
        assert [m.content for m in messages if m.role == "assistant"] == texts


async def spells(folder: Path, n_spells: int, kind: type[Disk], seed: int) -> int:
    """Conversations go on while the disk is full again and again; returns how many turns waited."""
    choose = random.Random(seed)
    file = folder / "wiz.sqlite"
    records = Records(file, flush_interval_s=0.005)
    await records.start()
    operations, disk = Operations(records, n_kept=1000), kind(folder, records)
    rows = [await Sessions(records).open(OpenSession(session=name)) for name in "abc"]
    answered: list[list[Operation]] = [[], [], []]
    n_waited = 0

    async def converse(which: int) -> None:
        n = len(answered[which])
        answered[which].append(await ask(records, operations, rows[which].id, n))

    for _ in range(n_spells):
        for phase in (disk.fill, disk.free):
            await phase()
            for _ in range(choose.randint(1, 3)):
                await asyncio.gather(*(converse(which) for which in range(3)))
                n_waited += len(records.waiting())
                for which in range(3):  # a part of the conversation, wherever it is
                    last = (await records.messages(rows[which].id))[-1]
                    assert last.content == answered[which][-1].text
        if choose.random() < 0.5:
            await settled(records)
    await disk.free()
    await settled(records)
    await records.close()
    await check(file, [operation for turns in answered for operation in turns])
    return n_waited


async def test_no_turn_is_lost_in_a_hundred_spells_without_room(tmp_path: Path) -> None:
    assert await spells(tmp_path, 100, Disk, seed=32) > 50


async def test_no_turn_is_lost_on_a_real_disk_that_is_full(small_disk: Path) -> None:
    assert await spells(small_disk, 10, RealDisk, seed=32) > 5


async def test_without_the_memory_of_what_waits_turns_are_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Waiting, "add", lambda self, outcome: False)
    records = Records(tmp_path / "wiz.sqlite")
    await records.start()
    session = await Sessions(records).open(OpenSession(session="mine"))
    disk = Disk(tmp_path, records)
    await disk.fill()
    operation = await ask(records, Operations(records), session.id, 1)
    await disk.free()
    await records.close()
    with pytest.raises(AssertionError):
        await check(tmp_path / "wiz.sqlite", [operation])


async def test_what_waits_is_in_the_lists_and_can_be_read(tmp_path: Path) -> None:
    records = Records(tmp_path / "wiz.sqlite")
    await records.start()
    session = await Sessions(records).open(OpenSession(session="mine"))
    operations, disk = Operations(records, n_kept=0), Disk(tmp_path, records)
    await disk.fill()
    operation = await ask(records, operations, session.id, 1)
    assert records.waiting() == [operation]
    assert (await records.restore(operation.id)).text == operation.text
    notices = [n.event.text for n in operation.events if isinstance(n.event, Notice)]
    assert [text.partition(":")[0] for text in notices] == [
        "This is kept in memory until it can be written"
    ]
    with pytest.raises(StoreError):
        await Sessions(records).drop_last_turn("mine")
    await disk.free()
    assert len(await Sessions(records).drop_last_turn("mine")) == 2
    assert not records.waiting()
    await records.close()


async def test_another_process_that_keeps_it_locked_costs_no_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wiz_kernel_ext.store.database.BUSY_TIMEOUT_S", 0.01)
    file = tmp_path / "wiz.sqlite"
    records = Records(file)
    await records.start()
    session = await Sessions(records).open(OpenSession(session="mine"))
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    answered = [await ask(records, Operations(records), session.id, n) for n in range(3)]
    assert records.waiting() == answered
    other.execute("ROLLBACK")
    other.close()
    await settled(records)
    await records.close()
    await check(file, answered)


async def test_what_waits_is_written_by_a_service_that_ends(tmp_path: Path) -> None:
    records = Records(tmp_path / "wiz.sqlite", flush_interval_s=1e9)
    await records.start()
    session = await Sessions(records).open(OpenSession(session="mine"))
    disk = Disk(tmp_path, records)
    await disk.fill()
    operation = await ask(records, Operations(records), session.id, 1)
    await disk.free()
    await records.close()
    await check(tmp_path / "wiz.sqlite", [operation])


async def test_what_is_lost_as_a_service_ends_is_in_its_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    records = Records(tmp_path / "wiz.sqlite")
    await records.start()
    session = await Sessions(records).open(OpenSession(session="mine"))
    await Disk(tmp_path, records).fill()
    operation = await ask(records, Operations(records), session.id, 1)
    await records.close()
    assert f"could not be written: {operation.id}" in caplog.text


async def test_an_operation_that_began_without_room_is_kept_whole(tmp_path: Path) -> None:
    file = tmp_path / "wiz.sqlite"
    records = Records(file)
    await records.start()
    session = await Sessions(records).open(OpenSession(session="mine"))
    disk, go = Disk(tmp_path, records), asyncio.Event()
    await disk.fill()
    operation = Operation("prompt", title="q", session_id=session.id)
    operation.asked = SessionMessage(role="user", content="q", operation_id=operation.id)

    async def body(operation: Operation) -> AnswerInfo:
        operation.emit(Delta(text="an answer"))
        await go.wait()
        return AnswerInfo(text=operation.text)

    await Operations(records).start(operation, body)
    await asyncio.sleep(0.3)
    await disk.free()
    await asyncio.sleep(0.3)
    # It runs, and the disk has it: were this one killed now, the text would be there.
    row = await records.call(records.operations.get, operation.id)
    assert row is not None
    assert await records.call(records.operations.events, operation.id)
    go.set()
    async for _ in operation.follow():
        pass
    await records.close()
    await check(file, [operation])


def test_what_waits_is_bounded() -> None:
    waiting = Waiting(max_bytes=10_000)
    operation = Operation("prompt")
    operation.emit(Delta(text="x" * 3000))
    outcome = Outcome(operation, End(state="done"), is_kept=True)
    assert [waiting.add(outcome) for _ in range(4)] == [True, True, False, False]
    waiting.drop_first()
    assert waiting.add(outcome)
    assert len(waiting) == 2


async def test_an_outcome_that_never_can_be_written_holds_up_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    records = Records(tmp_path / "wiz.sqlite", flush_interval_s=1e9)
    await records.start()
    session = await Sessions(records).open(OpenSession(session="mine"))
    disk, operations = Disk(tmp_path, records), Operations(records)
    await disk.fill()
    bad = await ask(records, operations, session.id, 1)
    good = await ask(records, operations, session.id, 2)
    await disk.free()
    finish = records.operations.finish

    def refuse(id: str, *values: Any) -> None:
        finish(id, *((2**70, *values[1:]) if id == bad.id else values))  # no such number

    monkeypatch.setattr(records.operations, "finish", refuse)
    await records.write_waiting()
    assert f"{bad.id} is not recorded" in caplog.text
    assert [m.content for m in await records.messages(session.id)][-1] == good.text
    await records.close()


async def test_a_task_that_dies_is_replaced_and_the_log_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    records = Records(tmp_path / "wiz.sqlite", flush_interval_s=0.01)
    await records.start()
    operation = Operation("prompt")
    await records.created(operation)
    append, n_calls = records.operations.append_events, 0

    def fail_once(*values: Any) -> None:
        nonlocal n_calls
        n_calls += 1
        if n_calls == 1:
            raise ZeroDivisionError
        append(*values)

    monkeypatch.setattr(records.operations, "append_events", fail_once)
    operation.emit(Delta(text="so far"))
    await asyncio.sleep(0.3)
    assert await records.call(records.operations.events, operation.id)
    assert "The task that writes records died: another begins." in caplog.text
    await records.close()


async def test_a_thread_that_is_gone_is_replaced_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "wiz.sqlite"
    records = Records(file)
    await records.start()
    session = await Sessions(records).open(OpenSession(session="mine"))
    records._thread._pool.shutdown()
    answered = [await ask(records, Operations(records), session.id, n) for n in range(2)]
    assert "The thread that writes records is gone" in caplog.text
    await records.close()
    await check(file, answered)
