"""The engine as this service uses it: checked before the first worker, told once, then as found.

Asks `engine_check`, which keeps its verdict beside the data; a build that was replaced meanwhile is
another build, and is checked before the next worker.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from wiz_kernel_ext.children.child import ignore
from wiz_kernel_ext.engine.way import Way
from wiz_kernel_ext.engine_check.build import engine_build
from wiz_kernel_ext.engine_check.check import checked, loadable
from wiz_kernel_ext.engine_check.diagnosis import notice, tried, usable
from wiz_kernel_ext.engine_check.processor import Processor, this_processor
from wiz_kernel_ext.engine_check.verdict import Trial, Verdict
from wiz_kernel_ext.errors import EngineUnusable, WizError
from wiz_kernel_ext.protocol.events import Notice, Progress
from wiz_kernel_ext.protocol.results import EngineInfo
from wiz_kernel_ext.service.worker_process import Emit

log = logging.getLogger(__name__)


class Engine:
    """The installed engine; one check at a time, for all who ask meanwhile."""

    def __init__(self, data_dir: Path, on_usable: Callable[[bool], object] = ignore) -> None:
        self._data_dir = data_dir
        self._on_usable = on_usable
        self._lock = asyncio.Lock()
        self._verdict: Verdict | None = None
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
