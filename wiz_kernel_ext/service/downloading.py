"""Downloads as operations: they belong to the service, so a kernel restart does not end them."""

from __future__ import annotations

import asyncio

from wiz_kernel_ext.hub.download import download
from wiz_kernel_ext.protocol.events import Progress, StateChanged
from wiz_kernel_ext.protocol.requests import DownloadModel
from wiz_kernel_ext.service.operations import Operation, Operations


async def begin_download(request: DownloadModel, client: str, operations: Operations) -> Operation:
    """Start the operation that fetches `request.file`; its result is the local path."""
    operation = Operation("download", title=f"{request.repo}/{request.file}", client=client)

    async def body(operation: Operation) -> str:
        operation.emit(StateChanged(state="running"))
        cancelled = asyncio.Event()
        operation.on_cancel(cancelled.set)
        return await download(
            request.repo,
            request.file,
            request.revision,
            on_progress=lambda done, total: operation.emit(
                Progress(stage="download", done=done, total=total)
            ),
            cancelled=cancelled,
        )

    await operations.start(operation, body)
    return operation
