"""The one thread that owns llama.cpp: it runs commands as they come, and steps in between.

Knows neither models nor requests. In the worker process it is the main thread, in-process a thread
of its own; either way it stays the same for life (a second thread halves the speed for good).
"""

from __future__ import annotations

import asyncio
import logging
import queue
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from wiz_kernel_ext.errors import ServiceStopping

T = TypeVar("T")
Command = Callable[[], object]

log = logging.getLogger(__name__)


class EngineLoop:
    """Commands and steps in turn, on the thread that calls `run`."""

    def __init__(self) -> None:
        self._commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self.n_commands = 0
        """How many have been run; read from any thread."""
        self._running = True
        self._ended = False

    def post(self, command: Command) -> None:
        """Run `command` before the next step; from any thread. Nothing after the end."""
        self._commands.put(command)

    async def call(self, function: Callable[[], T]) -> T:
        """Run `function` before the next step and wait for what it returns or raises."""
        future: Future[T] = Future()

        def command() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(function())
            except BaseException as error:
                future.set_exception(error)

        if self._ended:
            raise ServiceStopping("The worker is closed.", hint="Make a new one.")
        self.post(command)
        return await asyncio.wrap_future(future)

    def stop(self) -> None:
        """Let `run` return after the step under way; from any thread."""

        def command() -> None:
            self._running = False

        self.post(command)

    def run(self, step: Callable[[], bool]) -> None:
        """Own the calling thread until `stop`; `step` says whether there is more to do."""
        is_busy = False
        while self._running:
            self._run_commands(wait=not is_busy)
            if self._running:
                is_busy = step()
        self._ended = True
        self._run_commands(wait=False)  # whoever asked at the last moment gets an answer too

    def _run_commands(self, *, wait: bool) -> None:
        try:
            command = self._commands.get(block=wait)
            while True:
                self._run(command)
                command = self._commands.get_nowait()
        except queue.Empty:
            return

    def _run(self, command: Command) -> None:
        try:
            command()
        except Exception:
            log.exception("A command to the engine failed")
        self.n_commands += 1
