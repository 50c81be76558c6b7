"""A log of numbered events: nothing is lost but progress that a later one made old."""

from __future__ import annotations

from wiz_kernel_ext.protocol.event_log import EventLog
from wiz_kernel_ext.protocol.events import Delta, Notice, Progress


def progress(done: float, stage: str = "download") -> Progress:
    return Progress(stage=stage, done=done, total=1e9)


def test_of_a_stages_progress_only_the_latest_stays() -> None:
    log = EventLog()
    for n in range(100_000):
        log.append(progress(n))
    log.append(Notice(text="cut off, going on"))
    log.append(progress(7))
    log.append(progress(1, stage="verify"))
    assert [(n.seq, n.event) for n in log] == [
        (99_999, progress(99_999)),
        (100_000, Notice(text="cut off, going on")),
        (100_001, progress(7)),
        (100_002, progress(1, stage="verify")),
    ]


def test_a_reader_gets_what_is_new_to_it_whatever_was_replaced_meanwhile() -> None:
    log = EventLog()
    log.append(Delta(text="a"))
    log.append(progress(1))
    assert log.since(0)[-1].seq == 1
    log.append(progress(2))
    assert [n.event for n in log.since(2)] == [progress(2)]
    assert log.since(log.next_seq) == []
    assert [n.seq for n in log.since(0, at_most=1)] == [0]


def test_an_event_keeps_its_number_unless_that_was_given_away() -> None:
    log = EventLog()
    log.append(Delta(text="a"), seq=5)
    log.append(Delta(text="b"), seq=2)
    assert [n.seq for n in log] == [5, 6]
