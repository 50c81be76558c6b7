"""`LlamaWorkerBridge`: a `LlamaWorker` behind comms.

Takes the same targets with the same payloads as the service does, which passes them on. Each event
is one message; a `CancelThis` from the asker cancels; the comm server makes the one end. Knows no
sockets.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from wiz_kernel_ext.protocol.codec import decode, decode_request
from wiz_kernel_ext.protocol.events import AnyEvent, AskerMessage, CancelThis
from wiz_kernel_ext.protocol.pulse import PULSE
from wiz_kernel_ext.transport.server import CommClosed, ServerComm
from wiz_kernel_ext.worker.call import Call
from wiz_kernel_ext.worker.llama_worker import LlamaWorker


class LlamaWorkerBridge:
    """The comm server's handler in front of `worker`."""

    def __init__(self, worker: LlamaWorker) -> None:
        self._worker = worker

    async def __call__(self, comm: ServerComm) -> Any:
        """Answer one comm: its events as messages, its result as the return value."""
        if comm.target == PULSE:
            return self._worker.pulse()
        request = decode_request(comm.target, comm.payload)
        loop = asyncio.get_running_loop()
        events: asyncio.Queue[AnyEvent | None] = asyncio.Queue()
        call = Call(lambda event: loop.call_soon_threadsafe(events.put_nowait, event))
        sender = asyncio.create_task(_send(comm, events))
        listener = asyncio.create_task(_listen(comm, call))
        try:
            return await self._worker.handle(request, call)
        finally:
            listener.cancel()
            events.put_nowait(None)
            await sender


async def _send(comm: ServerComm, events: asyncio.Queue[AnyEvent | None]) -> None:
    while (event := await events.get()) is not None:
        await comm.send(event)


async def _listen(comm: ServerComm, call: Call) -> None:
    with suppress(CommClosed):
        while True:
            if isinstance(decode(await comm.receive(), AskerMessage), CancelThis):  # type: ignore[arg-type]
                call.cancel()
