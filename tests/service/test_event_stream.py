"""An operation's log on a comm: in order, in batches, at the asker's pace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from wiz_kernel_ext.protocol.codec import decode
from wiz_kernel_ext.protocol.events import Ack, CancelThis, Delta, End, EventBatch, Progress
from wiz_kernel_ext.service.event_stream import WINDOW, follow
from wiz_kernel_ext.service.operations import Operation
from wiz_kernel_ext.transport.client import ClientComm, CommClient
from wiz_kernel_ext.transport.memory import MemoryServerLink
from wiz_kernel_ext.transport.server import CommServer, ServerComm


@asynccontextmanager
async def following(operation: Operation, from_seq: int = 0) -> AsyncIterator[ClientComm]:
    """A comm on which `operation` is followed."""

    async def handler(comm: ServerComm) -> Any:
        await follow(comm, operation, from_seq)
        return "followed"

    link = MemoryServerLink()
    server = CommServer(link, handler)
    serving = asyncio.create_task(server.serve())
    client = CommClient(link.connect("asker"))
    await client.start()
    try:
        yield await client.open("test", {})
    finally:
        await client.close()
        await server.close()
        await serving


async def take(comm: ClientComm) -> list[int]:
    seqs: list[int] = []
    async for data in comm:
        batch = decode(data, EventBatch)
        seqs += [n.seq for n in batch.events]
        await comm.send(Ack(seq=seqs[-1]))
    return seqs


async def test_a_reader_that_acknowledges_gets_everything_in_order() -> None:
    operation = Operation("prompt")
    async with following(operation) as comm:
        reading = asyncio.create_task(take(comm))
        for n in range(5000):
            operation.emit(Delta(text=str(n)))
            if n % 500 == 0:
                await asyncio.sleep(0)
        operation.emit(End(state="done"))
        assert await asyncio.wait_for(reading, 10) == list(range(5002))


async def test_a_reader_that_does_not_acknowledge_is_sent_a_window_and_no_more() -> None:
    operation = Operation("prompt")
    for n in range(5 * WINDOW):
        operation.emit(Delta(text=str(n)))
    async with following(operation) as comm:
        received = 0
        messages = aiter(comm)
        while received < WINDOW:
            data = await asyncio.wait_for(anext(messages), 5)
            received = decode(data, EventBatch).events[-1].seq + 1
        await asyncio.sleep(0.05)
        assert received <= WINDOW + 1
        # Acknowledged, the rest goes on from where it stopped.
        await comm.send(Ack(seq=received - 1))
        batch = decode(await asyncio.wait_for(anext(messages), 5), EventBatch)
        assert batch.events[0].seq == received


async def test_a_cancel_on_the_comm_reaches_the_operation() -> None:
    operation = Operation("prompt")
    cancelled = asyncio.Event()
    operation.on_cancel(cancelled.set)
    async with following(operation) as comm:
        await comm.send(CancelThis())
        await asyncio.wait_for(cancelled.wait(), 5)


async def test_a_message_that_makes_no_sense_is_passed_over() -> None:
    operation = Operation("prompt")
    async with following(operation) as comm:
        await comm.send({"kind": "nonsense"})
        operation.emit(End(state="done"))
        assert await asyncio.wait_for(take(comm), 5) == [0, 1]


async def test_an_asker_that_leaves_does_not_end_the_operation() -> None:
    operation = Operation("prompt")
    async with following(operation) as comm:
        await comm.close()
        await asyncio.sleep(0.02)
    assert not operation.ended


async def test_a_log_whose_numbers_leave_some_out_is_followed_to_its_end() -> None:
    operation = Operation("download")
    async with following(operation) as comm:
        reading = asyncio.create_task(take(comm))
        for n in range(5 * WINDOW):
            operation.emit(Progress(stage="download", done=n))
            if n % WINDOW == 0:
                await asyncio.sleep(0.01)
        operation.emit(End(state="done"))
        seqs = await asyncio.wait_for(reading, 10)
    assert seqs[-2:] == [5 * WINDOW, 5 * WINDOW + 1]
    assert len(seqs) < WINDOW
