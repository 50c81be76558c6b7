"""The thread that waits for changes: it shows them, tells an end once, and survives errors."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from typing import Any

import pytest

from wiz_kernel_ext.errors import ServiceDied
from wiz_kernel_ext.notebook.widgets import change_watcher as watching
from wiz_kernel_ext.notebook.widgets.change_watcher import ChangeWatcher


class Service:
    """Answers each wait with what it is fed: a number, or an error that is raised."""

    def __init__(self) -> None:
        self.feed: queue.SimpleQueue[int | Exception] = queue.SimpleQueue()
        self.asked: list[tuple[int, float]] = []
        self.alive = True

    def await_change(self, seen: int, timeout_s: float) -> int:
        self.asked.append((seen, timeout_s))
        answer = self.feed.get()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def running(self) -> bool:
        return self.alive


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "SETTLE_S", 0.0)
    monkeypatch.setattr(watching, "LOOK_AGAIN_S", 0.005)


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def watch(service: Any, told: list[str], **options: Any) -> ChangeWatcher:
    made = ChangeWatcher(
        service, lambda: told.append("refresh"), lambda: told.append("gone"), **options
    )
    made.begin("page")
    return made


def test_every_change_is_shown_and_the_next_is_waited_for_from_there() -> None:
    service, told = Service(), list[str]()
    made = watch(service, told)
    service.feed.put(5)
    service.feed.put(6)
    until(lambda: told == ["refresh", "refresh"])
    until(lambda: len(service.asked) == 3)
    assert [seen for seen, _ in service.asked] == [0, 5, 6]
    made.end("page")
    service.feed.put(7)


def test_while_something_runs_it_is_looked_at_every_beat() -> None:
    service = Service()
    made = watch(service, [], busy=lambda: True, beat_s=0.25)
    until(lambda: len(service.asked) == 1)
    assert service.asked[0][1] == 0.25
    made.end("page")
    service.feed.put(1)


def test_a_service_that_ended_is_told_once_and_watched_again_when_it_is_back() -> None:
    service, told = Service(), list[str]()
    made = watch(service, told)
    service.alive = False
    service.feed.put(ServiceDied("It died."))
    until(lambda: told == ["gone"])
    service.alive = True
    service.feed.put(ServiceDied("It died again."))
    service.feed.put(1)
    until(lambda: told == ["gone", "refresh"])
    made.end("page")
    service.feed.put(2)


def test_a_watch_that_ended_begins_again_in_another_thread() -> None:
    service, told = Service(), list[str]()
    made = watch(service, told)
    until(lambda: len(service.asked) == 1)
    made.end("page")
    service.feed.put(1)
    until(lambda: made._thread is None)
    made.begin("page")
    service.feed.put(2)
    until(lambda: len(told) == 2)
    made.end("page")
    service.feed.put(3)


def test_an_error_of_ours_does_not_end_the_watch() -> None:
    service, told = Service(), list[str]()
    made = watch(service, told)
    service.feed.put(ValueError("a bug"))
    service.feed.put(1)
    until(lambda: told == ["refresh"])
    made.end("page")
    service.feed.put(2)
