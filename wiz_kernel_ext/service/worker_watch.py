"""The watch over a worker that has work: it tells who waits, and ends what has hung.

Runs only while something is asked: an idle worker is left alone. How progress is seen is
`progress`'s; how a worker is ended, its process's.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from wiz_kernel_ext.errors import WizError
from wiz_kernel_ext.protocol.pulse import Pulse
from wiz_kernel_ext.service.crashes import Stage
from wiz_kernel_ext.service.progress import TELL_AFTER_S, Look, Silence, Silent

log = logging.getLogger(__name__)

OnSilence = Callable[[Silent], object]
Reason = Literal["unloaded", "hung", "given up"]
"""Why a worker is ended: it was wished, it made no progress, or so and nobody waits any more."""

TICK_S = 1.0
_SILENT_STAGES = ("start", "load", "context")


@dataclass(eq=False)
class Asked:
    """Something a worker is at. `is_given_up`: its asker has gone, it was not heard to end."""

    stage: Stage
    on_silence: OnSilence
    is_told: bool = False
    is_given_up: bool = False


class WorkerWatch:
    """Looks at a worker once a second as long as it is asked something.

    `look` looks at the process, `end` ends it (for good, at once); after `hung_after_s` without
    progress it has hung, where that is more than 0. `on_change` hears that the silence began to be
    shown, or is over.
    """

    def __init__(
        self,
        ask_pulse: Callable[[], Awaitable[Pulse]],
        look: Callable[[Pulse | None], Look],
        end: Callable[[Reason], object],
        *,
        hung_after_s: float,
        on_change: Callable[[], object],
    ) -> None:
        self._ask_pulse = ask_pulse
        self._look = look
        self._end = end
        self._hung_after_s = hung_after_s
        self._on_change = on_change
        self._asked: set[Asked] = set()
        self._silence = Silence()
        self._is_shown = False
        self._task: asyncio.Task[None] | None = None
        self._asking: asyncio.Task[Pulse] | None = None

    @property
    def silent_s(self) -> float:
        """Seconds without progress though there is work; 0 until that is worth a word."""
        return self._silence.shown_s if self._is_shown else 0.0

    @property
    def _tell_after_s(self) -> float:
        # Whoever waits is to be told before it is ended.
        return min(TELL_AFTER_S, self._hung_after_s / 2) if self._hung_after_s > 0 else TELL_AFTER_S

    def enter(self, asked: Asked) -> None:
        """The worker is asked something more."""
        self._asked.add(asked)
        if self._task is None:
            self._task = asyncio.create_task(self._run())
            self._task.add_done_callback(_failed)

    def leave(self, asked: Asked) -> None:
        """That has ended; or it was given up, and its end is still to come."""
        if not asked.is_given_up:
            self._asked.discard(asked)
            if not self._asked:
                self._show(False)
        else:
            self._end_if_given_up(self._look(None))

    async def close(self) -> None:
        """Look no more."""
        tasks = [task for task in (self._task, self._asking) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self) -> None:
        self._silence = Silence()
        before = time.monotonic()
        try:
            while self._asked:
                pulse = await self._pulse(TICK_S)
                await asyncio.sleep(max(0.0, before + TICK_S - time.monotonic()))
                now = time.monotonic()
                # No more than that: this process too may have been stopped.
                passed_s, before = min(now - before, 2 * TICK_S), now
                if self._asked:
                    self._judge(self._look(pulse), passed_s)
        finally:
            self._task = None
            self._show(False)

    async def _pulse(self, timeout_s: float) -> Pulse | None:
        """The pulse, None where it is not told in time; asked once, however long that takes."""
        if self._asking is None:
            self._asking = asyncio.ensure_future(self._ask_pulse())
        await asyncio.wait({self._asking}, timeout=timeout_s)
        if not self._asking.done():
            return None
        asking, self._asking = self._asking, None
        try:
            return asking.result()
        except WizError:
            return None

    def _judge(self, look: Look, passed_s: float) -> None:
        known = look.pulse or self._silence.pulse
        is_first_step = known is None or known.n_steps == 0
        may_be_silent = is_first_step or any(a.stage in _SILENT_STAGES for a in self._asked)
        if self._silence.take(look, passed_s, may_be_silent=may_be_silent):
            self._asked = {asked for asked in self._asked if not asked.is_given_up}
            for asked in self._asked:
                asked.is_told = False
        is_long = self._silence.shown_s >= self._tell_after_s
        self._show(is_long)
        if is_long:
            self._tell(look)
        if 0 < self._hung_after_s <= self._silence.counted_s:
            self._end("hung")
        else:
            self._end_if_given_up(look)

    def _end_if_given_up(self, look: Look) -> None:
        """End what makes no progress for nobody."""
        has_hung = look.is_stopped or self._silence.counted_s >= self._tell_after_s
        if has_hung and self._asked and all(asked.is_given_up for asked in self._asked):
            self._end("given up")

    def _tell(self, look: Look) -> None:
        left_s = self._hung_after_s - self._silence.counted_s if self._hung_after_s > 0 else None
        silent = Silent(self._silence.shown_s, left_s, look.is_stopped)
        for asked in self._asked:
            if not asked.is_told and not asked.is_given_up:
                asked.is_told = True
                asked.on_silence(silent)

    def _show(self, is_shown: bool) -> None:
        if is_shown is not self._is_shown:
            self._is_shown = is_shown
            self._on_change()


def _failed(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("The watch over a worker failed", exc_info=task.exception())
