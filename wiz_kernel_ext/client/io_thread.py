"""The thread that owns the sockets: one event loop, shared by every client of this process.

The asker's own thread may be blocked, interrupted or running a loop of its own; this one is none of
that. It is a daemon: it keeps nobody from ending. A fork takes no threads along: the child's first
use starts a loop of its own.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any, TypeVar

from wiz_kernel_ext.transport import descriptors

T = TypeVar("T")


class IOThread:
    """An event loop on a thread of its own, started at first use."""

    def __init__(self) -> None:
        self._left_behind: list[asyncio.AbstractEventLoop | None] = []
        self._begin()
        os.register_at_fork(after_in_child=self._begin_anew)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._unwaited: set[asyncio.Task[object]] = set()

    def _begin_anew(self) -> None:
        # Kept, since collecting it would unregister its sockets for the parent too.
        self._left_behind.append(self._loop)
        self._begin()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The running loop; raises ServiceFull where there are no descriptors for one."""
        with self._lock:
            if self._loop is None:
                descriptors.check_enough()
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._run, name="wiz-io", daemon=True).start()
            return self._loop

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Run `work` on the loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop_for(work))

    def _loop_for(self, work: Coroutine[Any, Any, object]) -> asyncio.AbstractEventLoop:
        """The loop; where there can be none, `work` is over before it began."""
        try:
            return self.loop
        except BaseException:
            work.close()
            raise

    def submit_told(self, work: Coroutine[Any, Any, T], ended: Callable[[], object]) -> Future[T]:
        """`submit`; `ended` is called when `work` has really ended, also where it was cancelled.

        A cancelled future is over at once, while what it stands for still tidies up.
        """
        future: Future[T] = Future()
        loop = self._loop_for(work)

        def finish(task: asyncio.Task[T]) -> None:
            with suppress(InvalidStateError):  # cancelled in this very moment
                if task.cancelled():
                    future.cancel()
                elif (error := task.exception()) is not None:
                    future.set_exception(error)
                else:
                    future.set_result(task.result())
            ended()

        def begin() -> None:
            task = loop.create_task(work)
            task.add_done_callback(finish)
            future.add_done_callback(
                lambda done: done.cancelled() and loop.call_soon_threadsafe(task.cancel)
            )

        loop.call_soon_threadsafe(begin)
        return future

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` on the loop and await it from whichever loop this is."""
        return await asyncio.wrap_future(self.submit(work))

    def finish(self, work: Coroutine[Any, Any, object]) -> None:
        """Run `work`, which nobody waits for any more, to its end; called on the loop."""
        task = asyncio.create_task(work)
        self._unwaited.add(task)
        task.add_done_callback(self._unwaited.discard)

    async def finished(self) -> None:
        """Wait for what `finish` was given so far; runs on the loop."""
        await asyncio.gather(*self._unwaited, return_exceptions=True)

    def _run(self) -> None:
        assert self._loop is not None
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()


IO = IOThread()
