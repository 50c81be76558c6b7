"""The rows of work under way: how far, how fast, and which of the ended ones are still shown."""

from __future__ import annotations

from typing import Any

from wiz_kernel_ext.notebook.widgets.jobs import Jobs
from wiz_kernel_ext.protocol.results import OperationInfo


class Clock:
    """A clock that stands still between the ticks it is given."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def download(id: str, state: Any, done: float = 0.0, title: str = "u/r:Q8_0") -> OperationInfo:
    return OperationInfo(
        id=id, kind="download", state=state, title=title, stage="download", done=done, total=1000.0
    )


def test_a_running_download_tells_its_speed_and_the_time_left() -> None:
    clock = Clock()
    work = Jobs(clock)
    (row,) = work.draw([download("a", "running", 100)])
    assert (row["fraction"], row["small"]) == (0.1, "100 B of 1000 B")
    clock.now_s = 1.0
    (row,) = work.draw([download("a", "running", 200)])
    assert row["small"] == "200 B of 1000 B · 100 B/s · 8 s left"
    assert work.busy


def test_a_conversion_tells_what_it_does_and_begins_its_figures_anew_with_each_stage() -> None:
    clock = Clock()
    work = Jobs(clock)

    def convert(stage: str, done: float) -> str:
        operation = OperationInfo(
            id="c", kind="convert", state="running", title="u/r", stage=stage, done=done,
            total=1000.0,
        )  # fmt: skip
        (row,) = work.draw([operation])
        return str(row["small"])

    assert convert("", 0) == "beginning …"
    assert convert("download", 500) == "fetching the checkpoint · 500 B of 1000 B"
    clock.now_s = 1.0
    assert convert("convert", 600) == "60%"
    clock.now_s = 2.0
    assert convert("convert", 800) == "80% · 1 s left"


def test_a_cancelled_download_is_a_paused_one_until_it_is_begun_again() -> None:
    work = Jobs()
    (row,) = work.draw([download("a", "cancelled", 300)])
    assert (row["state"], row["running"], row["fraction"]) == ("paused", False, 0.3)
    (row,) = work.draw([download("b", "running", 400), download("a", "cancelled", 300)])
    assert row["id"] == "b"
    rows = work.draw([download("b", "done", 1000), download("a", "cancelled", 300)])
    assert rows == []


def test_a_download_cut_off_by_the_end_of_the_service_is_a_paused_one() -> None:
    (row,) = Jobs().draw([download("a", "interrupted", 300)])
    assert (row["state"], row["small"]) == ("paused", "300 B of 1000 B kept")


def test_what_ended_before_the_panel_was_there_is_not_shown() -> None:
    work = Jobs()
    assert work.draw([download("a", "done", 1000), download("b", "failed", 1, "u/other")]) == []
    assert not work.busy


def test_what_was_dismissed_and_what_is_no_work_on_models_is_not_shown() -> None:
    work = Jobs()
    work.dismiss("a")
    prompt = OperationInfo(id="p", kind="prompt", state="running", title="hello")
    assert work.draw([download("a", "running"), prompt]) == []


def test_a_loaded_model_is_no_row_but_one_that_failed_to_load_is() -> None:
    work = Jobs()
    load = OperationInfo(id="l", kind="load", state="running", title="m.gguf")
    assert len(work.draw([load])) == 1
    assert work.draw([OperationInfo(id="l", kind="load", state="done", title="m.gguf")]) == []
    (row,) = work.draw([OperationInfo(id="l", kind="load", state="failed", title="m.gguf")])
    assert row["state"] == "failed"


def test_what_failed_before_it_was_seen_is_shown_with_why() -> None:
    work = Jobs()
    work.expect("a")
    work.problems["a"] = {"message": "No."}
    (row,) = work.draw([download("a", "failed")])
    assert row["problem"] == {"message": "No."}
    assert work.draw([download("b", "done", 1000), download("a", "failed")]) == []


def test_having_a_model_ready_is_a_load_to_who_looks_on() -> None:
    setup = OperationInfo(id="s", kind="setup", state="running", title="/m/m.gguf")
    (row,) = Jobs().draw([setup])
    assert (row["kind"], row["path"], row["running"]) == ("load", "/m/m.gguf", True)
