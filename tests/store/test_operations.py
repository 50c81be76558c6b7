"""Operations: their events in order, their ends, and what a gone service left open."""

from __future__ import annotations

import time

import pytest

from wiz_kernel_ext.errors import StoreError
from wiz_kernel_ext.protocol.results import OperationState
from wiz_kernel_ext.store import OperationStore, SessionStore
from wiz_kernel_ext.store.database import LISTED_LENGTH


def create(operations: OperationStore, id: str, now: float = 1.0) -> None:
    operations.create(id, "prompt", f"title of {id}", None, "demo", now)


def end(
    operations: OperationStore,
    id: str,
    now: float,
    state: OperationState = "done",
    text: str = "",
) -> None:
    operations.finish(id, state, text, b"", 1, now)


def test_a_new_operation_is_queued_and_has_no_events(operations: OperationStore) -> None:
    create(operations, "op")
    row = operations.get("op")
    assert row is not None
    assert (row.state, row.kind, row.title, row.n_events) == ("queued", "prompt", "title of op", 0)
    assert (row.ended_at, row.text, row.log) == (None, "", None)
    assert operations.get("other") is None


def test_what_a_running_operation_said_comes_back_in_order(operations: OperationStore) -> None:
    create(operations, "op")
    create(operations, "other")
    operations.append_events("op", 5, b"later")
    operations.append_events("other", 0, b"x")
    operations.append_events("op", 0, b"first")
    operations.append_events("op", 12, b"last")
    assert operations.events("op") == [b"first", b"later", b"last"]


def test_what_is_kept_twice_is_there_once_as_it_came_last(operations: OperationStore) -> None:
    create(operations, "op")
    operations.append_events("op", 0, b"a")
    operations.append_events("op", 0, b"ab")
    assert operations.events("op") == [b"ab"]


def test_events_of_an_unknown_operation_are_a_typed_error(operations: OperationStore) -> None:
    with pytest.raises(StoreError):
        operations.append_events("nobody", 0, b"a")
    assert operations.events("nobody") == []


def test_an_operation_cannot_be_made_twice(operations: OperationStore) -> None:
    create(operations, "op")
    with pytest.raises(StoreError):
        create(operations, "op")


def test_an_end_is_kept_as_it_was_given_in_place_of_what_was_kept_before_it(
    operations: OperationStore,
) -> None:
    create(operations, "op")
    operations.append_events("op", 0, b"half an ans")
    operations.finish("op", "cancelled", "half an ansé", b"\x80", 7, 9.0)
    row = operations.get("op")
    assert row is not None
    assert (row.state, row.log, row.n_events, row.text, row.ended_at) == (
        *("cancelled", b"\x80", 7, "half an ansé", 9.0),
    )
    assert operations.events("op") == []


def test_an_operation_names_its_session_as_it_is_called_now(
    operations: OperationStore, sessions: SessionStore
) -> None:
    session = sessions.create("before")
    operations.create("op", "prompt", "t", session.id, None, 1.0)
    operations.create("lost", "prompt", "t", "no such session", None, 1.0)
    sessions.rename(session.id, "after")
    row, lost = operations.get("op"), operations.get("lost")
    assert row is not None and (row.session_id, row.session) == (session.id, "after")
    assert lost is not None and (lost.session_id, lost.session) == (None, None)


def test_the_list_is_newest_first_bounded_and_by_session(
    operations: OperationStore, sessions: SessionStore
) -> None:
    session = sessions.create("s")
    for n in range(6):
        of = session.id if n % 2 else None
        operations.create(f"op{n}", "prompt", "t", of, None, float(n // 2))
    assert [row.id for row in operations.list()] == ["op5", "op4", "op3", "op2", "op1", "op0"]
    assert [row.id for row in operations.list(2)] == ["op5", "op4"]
    assert [row.id for row in operations.list(2, session.id)] == ["op5", "op3"]


def test_what_a_gone_service_left_open_is_known_until_it_is_ended(
    operations: OperationStore,
) -> None:
    for n in range(4):
        create(operations, f"op{n}", float(n))
    end(operations, "op1", 5.0)
    assert operations.unfinished() == ["op0", "op2", "op3"]
    for id in operations.unfinished():
        end(operations, id, 20.0, "interrupted")
    assert operations.unfinished() == []
    states = {row.id: (row.state, row.ended_at) for row in operations.list()}
    assert states["op1"] == ("done", 5.0)
    assert states["op0"] == states["op2"] == states["op3"] == ("interrupted", 20.0)


def test_a_list_reads_no_texts(operations: OperationStore) -> None:
    operations.create("op", "prompt", "why? " * 100_000, None, None, 1.0)
    end(operations, "op", 2.0, text="because " * 100_000)
    (listed,) = operations.list()
    assert (listed.text, listed.log, len(listed.title)) == ("", None, LISTED_LENGTH)
    whole = operations.get("op")
    assert whole is not None and (len(whole.title), len(whole.text)) == (500_000, 800_000)


def test_pruning_forgets_the_oldest_that_ended_and_their_events(
    operations: OperationStore,
) -> None:
    for n in range(6):
        create(operations, f"op{n}", float(n))
        if n != 1:
            end(operations, f"op{n}", 9.0)
        operations.append_events(f"op{n}", 0, b"e")
    assert operations.prune(3) == 2
    assert [row.id for row in operations.list()] == ["op5", "op4", "op3", "op1"]
    assert operations.events("op0") == []
    assert operations.events("op1") == [b"e"]
    assert operations.prune(3) == 0


def test_keeping_a_batch_of_events_takes_little_time(operations: OperationStore) -> None:
    create(operations, "op")
    took_s = []
    for batch in range(100):
        began_s = time.perf_counter()
        operations.append_events("op", batch * 20, b"x" * 80 * 20)
        took_s.append(time.perf_counter() - began_s)
    print(f"20 events: {sorted(took_s)[50] * 1e3:.2f} ms")
    assert sorted(took_s)[50] < 0.1


def test_the_latest_is_the_one_begun_last_also_where_the_clock_was_put_back(
    operations: OperationStore,
) -> None:
    for name, now in (("old", 5000.0), ("new", 100.0), ("newest", 50.0)):
        operations.create(name, "prompt", "", None, None, now)
        end(operations, name, now)
    assert [row.id for row in operations.list()] == ["newest", "new", "old"]
    operations.prune(1)
    assert [row.id for row in operations.list()] == ["newest"]


def test_what_is_forgotten_takes_its_paused_kin_along_and_nothing_else(
    operations: OperationStore,
) -> None:
    for id, title in (("a", "u/r"), ("b", "u/r"), ("c", "u/r"), ("d", "u/other")):
        operations.create(id, "download", title, None, None, 1.0)
    for id in ("a", "d"):
        end(operations, id, 2.0, "cancelled")
    assert operations.forget("download", "u/r", "b") == 2
    assert {row.id for row in operations.list()} == {"c", "d"}
