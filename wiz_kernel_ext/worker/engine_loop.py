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
from contextlib import suppress
from typing import TypeVar

from wiz_kernel_ext.errors import ServiceStopping

T = TypeVar("T")
Command = Callable[[], object]

REST_S = 2.0
"""After how long with nothing to do there is time for what can wait."""

log = logging.getLogger(__name__)


def _nothing() -> bool:
    """Nothing can wait."""
    return False


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

    def run(self, step: Callable[[], bool], at_rest: Callable[[], bool] = _nothing) -> None:
        """Own the calling thread until `stop`; `step` says whether there is more to do.

        `at_rest` is called when nothing was to do for `REST_S`, and again as long as it says so.
        """
        is_busy = has_rest = False
        while self._running:
            if self._run_commands(wait=not is_busy, timeout_s=REST_S if has_rest else None):
                has_rest = True
            elif not is_busy:
                has_rest = at_rest()
            if self._running:
                is_busy = step()
        self._ended = True
        self._run_commands(wait=False)  # whoever asked at the last moment gets an answer too

    def _run_commands(self, *, wait: bool, timeout_s: float | None = None) -> bool:
        """Run what is there, or what comes within `timeout_s`; whether that was any."""
        n = self.n_commands
        with suppress(queue.Empty):
            command = self._commands.get(block=wait, timeout=timeout_s)
            while True:
                self._run(command)
                command = self._commands.get_nowait()
        return self.n_commands > n

    def _run(self, command: Command) -> None:
        try:
            command()
        except Exception:
            log.exception("A command to the engine failed")
        self.n_commands += 1
