"""Operations: a numbered log, any number of followers, and exactly one end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from wiz_kernel_ext.errors import ModelNotLoaded, OperationCancelled
from wiz_kernel_ext.protocol.codec import decode
from wiz_kernel_ext.protocol.events import Delta, End, StateChanged
from wiz_kernel_ext.protocol.results import AnswerInfo
from wiz_kernel_ext.service.encoded_log import EncodedEvent
from wiz_kernel_ext.service.operations import TITLE_LENGTH, Operation, Operations, shorten


class Kept:
    """A recorder that remembers what it was told."""

    def __init__(self) -> None:
        self.created_ids: list[str] = []
        self.ended_states: list[str] = []

    async def created(self, operation: Operation) -> None:
        self.created_ids.append(operation.id)

    async def ended(self, operation: Operation, end: End) -> None:
        assert not operation.ended, "the end was heard of before it was recorded"
        self.ended_states.append(end.state)


async def read(operation: Operation, from_seq: int = 0) -> list[EncodedEvent]:
    return [numbered async for batch in operation.follow(from_seq) for numbered in batch]


async def say(operation: Operation) -> str:
    for text in ("a", "b", "c"):
        operation.emit(Delta(text=text))
        await asyncio.sleep(0)
    return "abc"


async def test_every_follower_sees_every_event_once_however_late_it_comes() -> None:
    operations = Operations(Kept())
    operation = Operation("prompt")
    early = asyncio.create_task(read(operation))
    await operations.start(operation, say)
    seen = await early
    assert [n.seq for n in seen] == list(range(len(seen)))
    assert [n.event.text for n in seen if isinstance(n.event, Delta)] == ["a", "b", "c"]
    assert await read(operation) == seen
    assert await read(operation, 2) == seen[2:]


async def test_a_follower_ahead_of_a_log_that_was_cut_short_still_gets_its_end() -> None:
    operation = Operation("prompt")
    operation.emit(End(state="done"))
    assert [type(n.event) for n in await read(operation, 50)] == [End]


@pytest.mark.parametrize(
    ("raised", "state", "code"),
    [
        (ModelNotLoaded(), "failed", "model_not_loaded"),
        (OperationCancelled("no"), "cancelled", "operation_cancelled"),
        (ZeroDivisionError("oops"), "failed", "internal_error"),
    ],
)
async def test_a_body_that_raises_ends_its_operation_with_a_typed_error(
    raised: Exception, state: str, code: str
) -> None:
    kept = Kept()
    operations = Operations(kept)
    operation = Operation("load")

    async def body(operation: Operation) -> Any:
        raise raised

    await operations.start(operation, body)
    end = (await read(operation))[-1].event
    assert isinstance(end, End)
    assert (end.state, end.error and end.error.code) == (state, code)
    assert kept.ended_states == [state] or operation.ended


async def test_a_cancelled_answer_keeps_its_partial_text_as_the_result() -> None:
    operations = Operations(Kept())
    operation = Operation("prompt")

    async def body(operation: Operation) -> AnswerInfo:
        return AnswerInfo(text="half", finish_reason="cancelled")

    await operations.start(operation, body)
    await read(operation)
    assert operation.state == "cancelled"
    assert operation.end.error is None
    assert decode(operation.end.result, AnswerInfo).text == "half"


async def test_a_cancel_ends_what_the_body_was_waiting_for() -> None:
    operations = Operations(Kept())
    operation = Operation("prompt")

    async def body(operation: Operation) -> None:
        await operation.unless_cancelled(asyncio.sleep(60))

    await operations.start(operation, body)
    operation.cancel()
    await asyncio.wait_for(read(operation), 5)
    assert operation.state == "cancelled"


async def test_a_callback_given_after_the_cancel_is_called_at_once() -> None:
    operation = Operation("prompt")
    operation.cancel()
    called: list[bool] = []
    operation.on_cancel(lambda: called.append(True))
    assert called == [True]


async def test_nothing_is_added_after_the_end() -> None:
    operation = Operation("prompt")
    operation.emit(End(state="done"))
    operation.emit(Delta(text="late"))
    operation.emit(StateChanged(state="running"))
    assert operation.state == "done"
    assert len(list(operation.events)) == 2


async def test_settling_stops_and_waits_for_every_operation() -> None:
    kept = Kept()
    operations = Operations(kept)
    polite, stubborn = Operation("prompt"), Operation("load")

    async def wait(operation: Operation) -> None:
        await operation.unless_cancelled(asyncio.sleep(60))

    async def ignore(operation: Operation) -> None:
        await asyncio.sleep(60)

    await operations.start(polite, wait)
    await operations.start(stubborn, ignore)
    await operations.settle(timeout_s=0.05)
    assert kept.ended_states == ["interrupted", "interrupted"]
    assert not operations.running()


async def test_what_was_cancelled_before_the_service_stopped_stays_cancelled() -> None:
    kept = Kept()
    operations = Operations(kept)

    async def wait(operation: Operation) -> None:
        await operation.unless_cancelled(asyncio.sleep(60))

    cancelled = Operation("prompt")
    await operations.start(cancelled, wait)
    cancelled.cancel()
    await operations.settle(timeout_s=5)
    assert kept.ended_states == ["cancelled"]


async def test_only_the_latest_ended_operations_stay_in_memory() -> None:
    operations = Operations(Kept(), n_kept=2)
    made = [Operation("prompt") for _ in range(4)]
    for operation in made:
        await operations.start(operation, say)
        await read(operation)
        await asyncio.sleep(0.01)
    assert [operations.get(op.id) is not None for op in made] == [False, False, True, True]


def test_a_title_is_one_short_line() -> None:
    assert shorten("a\n b") == "a b"
    assert len(shorten("x" * 500)) == TITLE_LENGTH


async def test_an_operation_whose_asker_gives_up_at_its_very_beginning_comes_to_its_end() -> None:
    class Slow(Kept):
        async def created(self, operation: Operation) -> None:
            await asyncio.sleep(0.05)
            await super().created(operation)

    kept = Slow()
    operations, operation = Operations(kept), Operation("prompt")
    starting = asyncio.create_task(operations.start(operation, say))
    await asyncio.sleep(0)
    starting.cancel()
    assert isinstance((await read(operation))[-1].event, End)
    assert (kept.created_ids, operation.state) == ([operation.id], "done")
