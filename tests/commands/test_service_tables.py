"""What the service says of itself, as tables and as JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

import wiz_kernel_ext
from wiz_kernel_ext.commands.json_values import plain
from wiz_kernel_ext.commands.numbers import count, duration, shortened, size
from wiz_kernel_ext.commands.service_tables import (
    operation_table,
    service_line,
    status_tables,
    worker_table,
)
from wiz_kernel_ext.protocol.results import (
    EngineInfo,
    OperationInfo,
    ServiceInfo,
    SessionInfo,
    Status,
    WorkerInfo,
)

STATUS = Status(
    service=ServiceInfo(pid=7, version=wiz_kernel_ext.__version__, connection_file="/run/wiz.json"),
    workers=[
        WorkerInfo(
            pid=8, model="demo", model_path="/m/demo.gguf", loads=1, context=2048, sequences=4,
            memory_bytes=50 << 20, n_running=1, n_queued=2, idle_s=60.0, keep_alive_s=1800.0,
        )
    ],
    operations=[
        OperationInfo(
            id="op1", kind="prompt", state="running", title="Hello\nyou " * 30, created_at=90.0
        )
    ],
    sessions=[SessionInfo(id="s1", name="notes", n_messages=2, updated_at=40.0)],
)  # fmt: skip


def test_the_json_has_the_names_that_scripts_rely_on() -> None:
    found = json.loads(json.dumps(plain(STATUS)))
    assert set(found) == {"service", "workers", "operations", "sessions"}
    assert {"pid", "version", "connection_file"} <= set(found["service"])
    assert {
        "pid", "model", "model_path", "loads", "context", "sequences", "memory_bytes",
    } <= set(found["workers"][0])  # fmt: skip
    assert found["operations"][0]["id"] == "op1"
    assert found["sessions"][0]["n_messages"] == 2


def test_a_worker_is_one_row_of_what_matters() -> None:
    row = worker_table(STATUS.workers).rows[0]
    assert row == ("demo", "8", "50.0 MB", "2048", "4", "-", "1 (+2 queued)", "29 min")


def test_columns_stand_under_each_other() -> None:
    head, columns, row = operation_table(STATUS.operations, now=100.0).plain().splitlines()
    assert head == "Operations"
    assert columns.index("state") == row.index("running")
    assert columns.index("took") == row.index("10.0 s")
    assert row.endswith("…")


@pytest.mark.parametrize(
    ("progress", "state"),
    [
        ({}, "running"),
        ({"stage": "load", "done": 0.4, "total": 1.0}, "running, load 40%"),
        ({"n_tokens": 12, "stage": "prompt", "done": 8, "total": 8}, "running, 12 tokens"),
    ],
)
def test_what_runs_says_how_far_it_is(progress: dict[str, Any], state: str) -> None:
    operation = OperationInfo(id="op1", kind="prompt", state="running", **progress)
    assert operation_table([operation], now=0.0).rows[0][2] == state


def test_a_table_with_nothing_in_it_says_so() -> None:
    nothing = Status(service=STATUS.service)
    texts = [table.plain() for table in status_tables(nothing, now=0.0)]
    assert texts == [
        "No model is loaded.",
        "No operation was started yet.",
        "There is no session yet.",
    ]


def test_what_the_engine_computes_on_is_a_table_once_it_is_known() -> None:
    engine = EngineInfo(version="1", build="b", processor="p", is_plain=True, way="used")
    for devices, captions in (([], []), (["CUDA0: A Card, 1 GB of 2 GB free"], ["Devices"])):
        info = replace(STATUS.service, engine=replace(engine, devices=devices))
        tables = status_tables(replace(STATUS, service=info), now=0.0)
        assert [t.caption for t in tables if t.caption == "Devices"] == captions


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (size(0), "0 B"),
        (size(1536), "1.5 KB"),
        (size(3 << 40), "3.0 TB"),
        (duration(0.0421), "42 ms"),
        (duration(3.21), "3.2 s"),
        (duration(200), "3 min"),
        (duration(10_000), "3 h"),
        (count(1, "token"), "1 token"),
        (count(0, "token"), "0 tokens"),
        (shortened("a\nb  c", 10), "a b c"),
        (shortened("abcdef", 4), "abc…"),
    ],
)
def test_numbers_read_as_people_say_them(value: str, text: str) -> None:
    assert value == text


def test_the_service_is_told_apart_from_what_is_here_where_they_differ() -> None:
    line = service_line(STATUS)
    assert "here:" not in line
    assert "run by" not in line
    other = ServiceInfo(pid=7, version="99.0", connection_file="", executable="/b/python")
    line = service_line(Status(service=other))
    assert f"Wiz service 99.0, pid 7 · here: {wiz_kernel_ext.__version__}" in line
    assert "run by /b/python" in line
