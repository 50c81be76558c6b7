"""The service's status as rows of a panel."""

from __future__ import annotations

from pathlib import Path

import msgspec

from wiz_kernel_ext.notebook.widgets.status_rows import N_LOG_LINES, StatusRows
from wiz_kernel_ext.protocol.results import (
    OperationInfo,
    ServiceInfo,
    SessionInfo,
    Status,
    WorkerInfo,
)

SERVICE = ServiceInfo(
    pid=7, version="1", connection_file="", memory_bytes=1 << 30, memory_available_bytes=5 << 30
)


class Clock:
    """A clock that stands still between the ticks it is given."""

    now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def answering(n_tokens: int) -> Status:
    operation = OperationInfo(
        id="op", kind="prompt", state="running", title="hello", n_tokens=n_tokens, created_at=990.0
    )
    return Status(service=SERVICE, operations=[operation])


def test_the_rate_is_what_came_between_two_looks() -> None:
    clock = Clock()
    rows = StatusRows(clock)
    assert rows.draw(answering(10))["operations"][0]["rate"] == ""
    clock.now_s += 2.0
    assert rows.draw(answering(90))["operations"][0]["rate"] == "40 tokens/s"
    assert rows.busy


def test_the_board_is_not_busy_when_all_has_ended() -> None:
    ended = OperationInfo(id="op", kind="load", state="done", created_at=1.0, ended_at=3.5)
    rows = StatusRows(Clock())
    drawn = rows.draw(Status(service=SERVICE, operations=[ended]))
    assert not rows.busy
    assert drawn["operations"][0]["took"] == "2.5 s"
    assert drawn["operations"][0]["running"] is False


def test_memory_is_what_service_and_workers_take_of_what_they_could() -> None:
    worker = WorkerInfo(
        pid=8,
        model="m",
        model_path="/m",
        loads=1,
        memory_bytes=2 << 30,
        weights_bytes=1 << 30,
        kv_bytes=1 << 20,
        keep_alive_s=-1,
    )
    drawn = StatusRows(Clock()).draw(Status(service=SERVICE, workers=[worker]))
    assert drawn["memory"] == {"text": "3.0 GB of 8.0 GB", "fraction": 0.375, "limit": "memory"}
    assert drawn["models"][0]["parts"] == "weights 1.0 GB · KV 1.0 MB"
    assert drawn["models"][0]["stays"] == "for good"


def test_a_service_that_tells_no_limit_has_no_memory_bar() -> None:
    bare = ServiceInfo(pid=7, version="1", connection_file="")
    assert StatusRows(Clock()).draw(Status(service=bare))["memory"] is None


def test_sessions_tell_when_they_were_used() -> None:
    session = SessionInfo(id="s", name="talk", n_messages=4, updated_at=940.0)
    (row,) = StatusRows(Clock()).draw(Status(service=SERVICE, sessions=[session]))["sessions"]
    assert row == {"name": "talk", "messages": 4, "used": "60.0 s ago"}


def test_a_log_is_shown_by_its_last_lines_and_one_that_is_not_there_by_none(
    tmp_path: Path,
) -> None:
    file = tmp_path / "log"
    file.write_text("".join(f"line {n}\n" for n in range(100_000)))

    def log(file: Path) -> str:
        service = msgspec.structs.replace(SERVICE, log_file=str(file))
        return str(StatusRows().draw(Status(service=service))["log"])

    lines = log(file).splitlines()
    assert len(lines) == N_LOG_LINES
    assert lines[-1] == "line 99999"
    assert log(tmp_path / "nothing") == ""
