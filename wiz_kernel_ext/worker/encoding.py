"""Prompts are encoded beside the engine: who sends a long text does not stall who is answered.

A model must not go while somebody reads its vocabulary: `Readers` counts them.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from wiz_kernel_ext.engine.threads import make_way
from wiz_kernel_ext.worker.call import Call

T = TypeVar("T")

N_THREADS = 4


class Readers:
    """Threads that use a model which another one may be about to close."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._n = 0
        self._closed = False

    @contextmanager
    def one(self) -> Iterator[bool]:
        """In the block the model is kept; False where it is going already."""
        with self._changed:
            is_kept = not self._closed
            self._n += is_kept
        try:
            yield is_kept
        finally:
            if is_kept:
                with self._changed:
                    self._n -= 1
                    self._changed.notify_all()

    def close(self) -> None:
        """Let nobody more in, and wait for those who are."""
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: not self._n)


class Encoding:
    """A few threads that make way for the engine's; none before they are needed."""

    def __init__(self) -> None:
        self._threads: ThreadPoolExecutor | None = None

    async def run(self, encode: Callable[[], T], call: Call) -> T | None:
        """What `encode` returns or raises; None, at once, where `call` is cancelled meanwhile."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(N_THREADS, "wiz-encode", make_way)
        loop = asyncio.get_running_loop()
        given_up: asyncio.Future[None] = loop.create_future()

        def give_up() -> None:
            if not given_up.done():
                given_up.set_result(None)

        def on_cancel() -> None:
            with suppress(RuntimeError):  # the asker's event loop is closed
                loop.call_soon_threadsafe(give_up)

        call.on_cancel(on_cancel)
        encoding = loop.run_in_executor(self._threads, encode)
        both: list[asyncio.Future[Any]] = [encoding, given_up]
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if encoding.done():
            given_up.cancel()
            return encoding.result()
        encoding.add_done_callback(lambda done: done.cancelled() or done.exception())
        return None

    def close(self) -> None:
        """Begin nothing more; what runs ends by itself."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None
