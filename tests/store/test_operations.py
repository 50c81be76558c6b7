"""Operations: their events in order, their ends, and what a gone service left open."""

from __future__ import annotations

import time

import pytest

from wiz_kernel_ext.errors import StoreError
from wiz_kernel_ext.store import OperationStore, SessionStore


def create(operations: OperationStore, id: str, now: float = 1.0) -> None:
    operations.create(id, "prompt", f"title of {id}", None, "demo", now)


def test_a_new_operation_is_queued_and_has_no_events(operations: OperationStore) -> None:
    create(operations, "op")
    row = operations.get("op")
    assert row is not None
    assert (row.state, row.kind, row.title, row.n_events) == ("queued", "prompt", "title of op", 0)
    assert (row.ended_at, row.text, row.result, row.error) == (None, "", None, None)
    assert operations.get("other") is None


def test_events_come_back_in_order_from_any_number(operations: OperationStore) -> None:
    create(operations, "op")
    create(operations, "other")
    operations.append_events("op", [(n, b"%d" % n) for n in range(5)])
    operations.append_events("other", [(0, b"x")])
    operations.append_events("op", [(n, b"%d" % n) for n in range(5, 12)])
    operations.append_events("op", [])
    assert operations.events("op") == [(n, b"%d" % n) for n in range(12)]
    assert operations.events("op", 10) == [(10, b"10"), (11, b"11")]
    assert operations.events("op", 12) == []
    row = operations.get("op")
    assert row is not None and row.n_events == 12


def test_a_batch_kept_twice_is_there_once(operations: OperationStore) -> None:
    create(operations, "op")
    for _ in range(2):
        operations.append_events("op", [(0, b"a"), (1, b"b")])
    assert operations.events("op") == [(0, b"a"), (1, b"b")]


def test_events_of_an_unknown_operation_are_a_typed_error(operations: OperationStore) -> None:
    with pytest.raises(StoreError):
        operations.append_events("nobody", [(0, b"a")])
    assert operations.events("nobody") == []


def test_an_operation_cannot_be_made_twice(operations: OperationStore) -> None:
    create(operations, "op")
    with pytest.raises(StoreError):
        create(operations, "op")


def test_an_end_is_kept_as_it_was_given(operations: OperationStore) -> None:
    create(operations, "op")
    operations.finish("op", "cancelled", b"\x80", None, "half an ansé", 9.0)
    row = operations.get("op")
    assert row is not None
    assert (row.state, row.result, row.error, row.text, row.ended_at) == (
        *("cancelled", b"\x80", None, "half an ansé", 9.0),
    )


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


def test_what_a_gone_service_left_open_is_interrupted_once(operations: OperationStore) -> None:
    for n in range(4):
        create(operations, f"op{n}", float(n))
    operations.finish("op1", "done", None, None, "", 5.0)
    assert operations.mark_interrupted(20.0) == ["op0", "op2", "op3"]
    assert operations.mark_interrupted(21.0) == []
    states = {row.id: (row.state, row.ended_at) for row in operations.list()}
    assert states["op1"] == ("done", 5.0)
    assert states["op0"] == states["op2"] == states["op3"] == ("interrupted", 20.0)


def test_pruning_forgets_the_oldest_that_ended_and_their_events(
    operations: OperationStore,
) -> None:
    for n in range(6):
        create(operations, f"op{n}", float(n))
        operations.append_events(f"op{n}", [(0, b"e")])
        if n != 1:
            operations.finish(f"op{n}", "done", None, None, "", 9.0)
    assert operations.prune(3) == 2
    assert [row.id for row in operations.list()] == ["op5", "op4", "op3", "op1"]
    assert operations.events("op0") == []
    assert operations.events("op1") == [(0, b"e")]
    assert operations.prune(3) == 0


def test_keeping_a_batch_of_events_takes_little_time(operations: OperationStore) -> None:
    create(operations, "op")
    took_s = []
    for batch in range(100):
        began_s = time.perf_counter()
        operations.append_events("op", [(batch * 20 + n, b"x" * 80) for n in range(20)])
        took_s.append(time.perf_counter() - began_s)
    print(f"20 events: {sorted(took_s)[50] * 1e3:.2f} ms")
    assert sorted(took_s)[50] < 0.1


def test_the_latest_is_the_one_begun_last_also_where_the_clock_was_put_back(
    operations: OperationStore,
) -> None:
    for name, now in (("old", 5000.0), ("new", 100.0), ("newest", 50.0)):
        operations.create(name, "prompt", "", None, None, now)
        operations.finish(name, "done", None, None, "", now)
    assert [row.id for row in operations.list()] == ["newest", "new", "old"]
    operations.prune(1)
    assert [row.id for row in operations.list()] == ["newest"]


def test_what_is_forgotten_takes_its_paused_kin_along_and_nothing_else(
    operations: OperationStore,
) -> None:
    for id, title in (("a", "u/r"), ("b", "u/r"), ("c", "u/r"), ("d", "u/other")):
        operations.create(id, "download", title, None, None, 1.0)
    for id in ("a", "d"):
        operations.finish(id, "cancelled", None, None, "", 2.0)
    assert operations.forget("download", "u/r", "b") == 2
    assert {row.id for row in operations.list()} == {"c", "d"}
