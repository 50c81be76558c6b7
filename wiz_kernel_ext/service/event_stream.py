"""An operation's log on a comm: in order, in batches, at the pace the asker acknowledges.

A slow or stopped asker costs nothing but its place: at most WINDOW events are under way to it, the
log waits in the operation, and nothing is lost or sent twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from typing import Any

from wiz_kernel_ext.errors import BadRequest, error_from_info
from wiz_kernel_ext.protocol.codec import decode
from wiz_kernel_ext.protocol.events import Ack, AskerMessage, CancelThis, EncodedBatch
from wiz_kernel_ext.service.encoded_log import EncodedEvent
from wiz_kernel_ext.service.operations import Operation
from wiz_kernel_ext.transport.server import CommClosed, ServerComm

WINDOW = 1024

log = logging.getLogger(__name__)


class _Window:
    """The events that are under way to the asker."""

    def __init__(self) -> None:
        self._batches: deque[list[EncodedEvent]] = deque()
        self._moved = asyncio.Event()

    def ack(self, seq: int) -> None:
        while self._batches and self._batches[0][-1].seq <= seq:
            self._batches.popleft()
        self._moved.set()

    async def put(self, batch: list[EncodedEvent]) -> None:
        """Wait until there is room for `batch`, and take it."""
        while sum(map(len, self._batches)) + len(batch) > WINDOW:
            self._moved.clear()
            await self._moved.wait()
        self._batches.append(batch)


async def follow(comm: ServerComm, operation: Operation, from_seq: int) -> None:
    """Send the events from `from_seq` on until the end; takes acknowledgements and a cancel."""
    window = _Window()
    listener = asyncio.create_task(_listen(comm, operation, window))
    try:
        async for batch in operation.follow(from_seq):
            await window.put(batch)
            await comm.send(
                EncodedBatch(
                    operation_id=operation.id,
                    operation_kind=operation.kind,
                    events=[(event.seq, event.data) for event in batch],
                )
            )
    finally:
        listener.cancel()


async def _listen(comm: ServerComm, operation: Operation, window: _Window) -> None:
    with contextlib.suppress(CommClosed):
        while True:
            data = await comm.receive()
            try:
                message: Any = decode(data, AskerMessage)  # type: ignore[arg-type]
            except BadRequest as error:
                log.warning("comm %s: %s", comm.id, error)
                continue
            if isinstance(message, Ack):
                window.ack(message.seq)
            elif isinstance(message, CancelThis):
                operation.cancel()


async def see_through(comm: ServerComm, operation: Operation, from_seq: int = 0) -> Any:
    """Follow the operation to its end; its outcome is what the comm's handler answers or raises."""
    await follow(comm, operation, from_seq)
    if operation.end.error is not None:
        raise error_from_info(operation.end.error)
    return operation.end.result
