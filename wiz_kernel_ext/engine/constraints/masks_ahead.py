"""Masks of the next tokens, worked out while the step that leads there is computed.

Most take microseconds; the few that take milliseconds would make every answer of a step wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from wiz_kernel_ext.engine.constraints.constraint import Constraint


class MasksAhead:
    """One thread of its own, made when first needed."""

    def __init__(self) -> None:
        self._thread: ThreadPoolExecutor | None = None
        self._work: Future[None] | None = None

    def begin(self, constraints: Sequence[Constraint]) -> None:
        """Work their masks out; nobody else may use them before `wait` has returned."""
        if not constraints:
            return
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "wiz-masks")
        self._work = self._thread.submit(_work_out, constraints)

    def wait(self) -> None:
        """Return when all masks that were begun are known."""
        if self._work is not None:
            self._work.result()
            self._work = None

    def close(self) -> None:
        """End the thread."""
        if self._thread is not None:
            self._thread.shutdown()
            self._thread = None


def _work_out(constraints: Sequence[Constraint]) -> None:
    for constraint in constraints:
        constraint.work_out()
