"""The engine as this service uses it: checked before the first worker, told once, then as found.

Asks `engine_check`, which keeps its verdict beside the data; a build that was replaced meanwhile is
another build, and is checked before the next worker.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec.structs import replace

from wiz_kernel_ext.children.child import ignore
from wiz_kernel_ext.engine.way import Way
from wiz_kernel_ext.engine_check.build import engine_build
from wiz_kernel_ext.engine_check.cards import cards_here, unused_notice
from wiz_kernel_ext.engine_check.check import checked, loadable
from wiz_kernel_ext.engine_check.diagnosis import notice, tried, usable
from wiz_kernel_ext.engine_check.processor import Processor, this_processor
from wiz_kernel_ext.engine_check.verdict import Trial, Verdict
from wiz_kernel_ext.errors import EngineUnusable, WizError
from wiz_kernel_ext.protocol.events import Notice, Progress
from wiz_kernel_ext.protocol.results import EngineInfo, RuntimeInfo
from wiz_kernel_ext.service.worker_process import Emit, WorkerProcess

START_TIMEOUT_S = 10.0
LOOK_TIMEOUT_S = 0.3
LOOK_INTERVAL_S = 10.0
"""Between two looks at what is free on the devices, however often a status is drawn."""

log = logging.getLogger(__name__)


class Engine:
    """The installed engine; one check at a time, for all who ask meanwhile."""

    def __init__(self, data_dir: Path, on_usable: Callable[[bool], object] = ignore) -> None:
        self._data_dir = data_dir
        self._on_usable = on_usable
        self._lock = asyncio.Lock()
        self._verdict: Verdict | None = None
        self._looked_at = float("-inf")
        self.info: EngineInfo | None = None
        """What the status shows; None before the first worker."""

    async def look(self) -> None:
        """Tell `on_usable` whether the engine can be loaded at all, before anybody asks for it."""
        try:
            await loadable(self._data_dir)
        except EngineUnusable as error:
            log.warning("%s", error)
            self._on_usable(False)
        except WizError as error:
            log.warning("%s", error)
        else:
            self._on_usable(True)

    async def way(self, emit: Emit) -> Way:
        """How it is to be used; where not as it is, `emit` is told why, once for each verdict.

        Raises EngineUnusable, WorkerDied.
        """
        # Who gives up waiting does not take the check from those who wait with him.
        try:
            verdict = await asyncio.shield(asyncio.ensure_future(self._check(emit)))
        except EngineUnusable:  # there is none
            self._on_usable(False)
            raise
        processor = this_processor()
        if verdict != self._verdict:
            self._verdict, self.info = verdict, _info(verdict, processor)
            if self.info.notice:
                emit(Notice(text=self.info.notice))
        if verdict.is_lasting or verdict.trials[0].stage == "import":
            self._on_usable(verdict.way is not None)
        return usable(verdict, processor)

    async def found(self) -> Way:
        """The same for who only wants to know: nobody is told."""
        async with self._lock:
            return usable(await checked(self._data_dir), this_processor())

    async def meet(self, process: WorkerProcess, emit: Emit) -> None:
        """Look at what a worker computes on that was just started.

        `emit` is told of a card that is left unused, once for each verdict.
        """
        is_first = self.info is not None and not self.info.devices
        runtime = await self._asked(process, START_TIMEOUT_S)
        if runtime is None or self.info is None or not is_first:
            return
        way = self._verdict.way if self._verdict else None
        is_used = runtime.gpu_offload or (way is not None and not way.gpu)
        if text := unused_notice(engine_build(), cards_here(), has_device=is_used):
            self.info = replace(self.info, notice=f"{self.info.notice} {text}".strip())
            emit(Notice(text=text))

    async def look_at_devices(self, free: Sequence[WorkerProcess]) -> None:
        """Ask a worker that is `free` what is free on its devices, if nobody did lately."""
        if free and time.monotonic() - self._looked_at >= LOOK_INTERVAL_S:
            await self._asked(free[0], LOOK_TIMEOUT_S)

    async def _asked(self, process: WorkerProcess, timeout_s: float) -> RuntimeInfo | None:
        """What a worker says of the engine; None where it does not answer soon, or died."""
        self._looked_at = time.monotonic()
        try:
            runtime = await asyncio.wait_for(process.initialize(), timeout_s)
        except (asyncio.TimeoutError, WizError):
            return None
        if self.info is not None:
            self.info = replace(self.info, devices=runtime.devices)
        return runtime

    async def _check(self, emit: Emit) -> Verdict:
        n_failed = 0

        def tell(trial: Trial) -> None:
            nonlocal n_failed
            if trial.outcome != "right":
                n_failed += 1
                emit(Progress(stage="engine", done=n_failed))

        async with self._lock:
            return await checked(self._data_dir, on_trial=tell)


def _info(verdict: Verdict, processor: Processor) -> EngineInfo:
    return EngineInfo(
        version=engine_build().version,
        build=verdict.build,
        processor=processor.model,
        is_plain=verdict.is_plain,
        way=f"used {verdict.way}" if verdict.way is not None else "unusable",
        tried=tried(verdict),
        notice=notice(verdict, processor),
    )
