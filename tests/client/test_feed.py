"""An operation's events on the asking side, with scripted comms instead of a service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from wiz_kernel_ext.client.feed import Feed
from wiz_kernel_ext.errors import (
    OperationInterrupted,
    ServiceDied,
    ServiceNotRunning,
    SessionNotLoaded,
    WizError,
)
from wiz_kernel_ext.protocol.codec import raw
from wiz_kernel_ext.protocol.events import Ack, AnyEvent, Delta, End, EventBatch, Numbered
from wiz_kernel_ext.protocol.requests import AnyRequest, Attach, Prompt


class ScriptedComm:
    """A comm that says what it was told to, then ends with `error` or not."""

    def __init__(self, events: list[tuple[int, AnyEvent]], error: WizError | None = None) -> None:
        self.events, self.error = events, error
        self.acks: list[int] = []

    async def __aiter__(self) -> AsyncIterator[msgspec.Raw]:
        for seq, event in self.events:
            await asyncio.sleep(0)
            yield raw(
                EventBatch(
                    operation_id="op-1", operation_kind="prompt", events=[Numbered(seq, event)]
                )
            )

    async def send(self, data: Any) -> None:
        assert isinstance(data, Ack)
        self.acks.append(data.seq)

    async def result(self) -> msgspec.Raw:
        if self.error is not None:
            raise self.error
        return raw(None)


class ScriptedConnection:
    """A connection that hands out the comms it was given, or raises."""

    def __init__(self, *comms: ScriptedComm | WizError) -> None:
        self.comms = list(comms)
        self.opened: list[AnyRequest] = []

    async def open(self, request: AnyRequest) -> ScriptedComm:
        self.opened.append(request)
        comm = self.comms.pop(0)
        if isinstance(comm, WizError):
            raise comm
        return comm

    async def gone(self) -> None:
        return


def delta(text: str) -> Delta:
    return Delta(text=text)


async def read(connection: ScriptedConnection) -> Feed:
    feed = Feed(connection)  # type: ignore[arg-type]
    await feed.begin(Prompt(prompt="x"))
    while not feed.ended:
        await feed.next(feed.events.next_seq)
    return feed


DONE = End(state="done", result=raw("x"))
DIED = ServiceDied("gone")


async def test_events_arrive_in_order_and_are_acknowledged() -> None:
    comm = ScriptedComm([(0, delta("a")), (1, delta("b")), (2, DONE)])
    feed = await read(ScriptedConnection(comm))
    assert (feed.text, feed.state, comm.acks) == ("ab", "done", [0, 1, 2])


async def test_after_the_service_died_the_rest_is_asked_of_the_next_one() -> None:
    connection = ScriptedConnection(
        ScriptedComm([(0, delta("a")), (1, delta("b"))], DIED),
        ScriptedComm([(2, delta("c")), (3, DONE)]),
    )
    feed = await read(connection)
    assert feed.text == "abc"
    assert connection.opened[1] == Attach(operation_id="op-1", from_seq=2)


async def test_an_end_at_a_number_that_was_here_before_still_is_the_end() -> None:
    error = OperationInterrupted("cut off", text="a")
    end = End(state="interrupted", error=error.info())
    connection = ScriptedConnection(
        ScriptedComm([(0, delta("a")), (1, delta("b"))], DIED), ScriptedComm([(1, end)])
    )
    feed = await read(connection)
    assert (feed.text, feed.state) == ("ab", "interrupted")


async def test_without_a_next_service_the_feed_ends_with_the_death_of_the_first() -> None:
    connection = ScriptedConnection(
        ScriptedComm([(0, delta("a"))], DIED), ServiceNotRunning("none")
    )
    feed = await read(connection)
    assert isinstance(feed.error, ServiceDied)
    assert feed.state == "interrupted"


async def test_what_is_refused_at_once_is_raised_at_once() -> None:
    with pytest.raises(SessionNotLoaded):
        await read(ScriptedConnection(ScriptedComm([], SessionNotLoaded())))


async def test_a_service_that_keeps_dying_is_not_asked_for_ever() -> None:
    comms = [ScriptedComm([(n, delta("x"))], DIED) for n in range(10)]
    feed = await read(ScriptedConnection(*comms))
    assert feed.error is not None
    assert len(feed.text) < 10
