"""The line under an answer in a panel: what it waits for, how fast it comes, how it ended."""

from __future__ import annotations

from wiz_kernel_ext.errors import OperationCancelled, OperationInterrupted
from wiz_kernel_ext.notebook.widgets.answer_stream import AnswerStream
from wiz_kernel_ext.protocol.events import WAITING, Delta, Progress, StateChanged


class Clock:
    """A clock that goes when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_it_tells_what_it_waits_for_then_its_speed_and_not_that_of_what_was_there_before() -> None:
    clock = Clock()
    answer = AnswerStream("op-2", "Hello", clock)
    assert answer.small == "waiting for its turn"
    wait = Progress(stage=WAITING, done=0, text="waiting for op-1: `wiz cancel op-1` ends it")
    answer.take([wait])
    assert answer.small == wait.words
    assert answer.shown()["fraction"] is None
    answer.take([StateChanged(state="running"), Progress(stage="prompt", done=1, total=4)])
    assert (answer.small, answer.shown()["fraction"]) == ("reading the prompt 25%", 0.25)
    answer.take([Delta(text="long before", n_tokens=500)])
    assert (answer.small, answer.shown()["fraction"]) == ("500 tokens", None)
    for _ in range(10):
        clock.now += 0.1
        answer.take([Delta(text="a", n_tokens=3)])
    assert answer.small == "530 tokens · 30 tokens/s"


def test_a_cancel_is_no_problem_and_a_stopped_service_is_one() -> None:
    answer = AnswerStream("op-1", "Hello")
    answer.fail(OperationCancelled("Cancelled."))
    assert (answer.failed or {"problem": "none"})["problem"] is None
    answer.fail(OperationInterrupted("The service was stopped before its turn came."))
    assert "service was stopped" in str(answer.failed)
