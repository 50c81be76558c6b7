"""Work on models under way, as the downloader shows it: how far, how fast, how long still.

Pure but for the clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from wiz_kernel_ext.commands.numbers import size
from wiz_kernel_ext.commands.service_tables import kind_word
from wiz_kernel_ext.commands.throughput import Throughput
from wiz_kernel_ext.protocol.events import Progress
from wiz_kernel_ext.protocol.results import LOAD_KINDS, TERMINAL_STATES, OperationInfo

KINDS = LOAD_KINDS | {"download", "verify", "convert", "quantize"}
PAUSED = frozenset({"cancelled", "interrupted"})
FAILED = frozenset({"failed", "interrupted"})
FETCHING = ("convert", "download")


class Jobs:
    """What is under way, and what was paused or has ended since this panel watches."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._meters: dict[str, Throughput] = {}
        self._seen: set[str] = set()
        self._dismissed: set[str] = set()
        self.load_when_done: set[str] = set()
        self.problems: dict[str, dict[str, Any]] = {}
        self.busy = False

    def expect(self, operation_id: str) -> None:
        """Show this one even if it should end before it is seen."""
        self._seen.add(operation_id)

    def dismiss(self, operation_id: str) -> None:
        """Show this one no more."""
        self._dismissed.add(operation_id)

    def draw(self, operations: Iterable[OperationInfo]) -> list[dict[str, Any]]:
        """The rows, newest first: all that is under way, what is paused, what failed meanwhile.

        A download that was cancelled, or cut off by the end of the service, is a paused one: what
        came of it is kept.
        """
        rows, titles = [], set()
        for operation in operations:
            if operation.kind not in KINDS or operation.id in self._dismissed:
                continue
            running = operation.state not in TERMINAL_STATES
            paused = is_paused(operation)
            # One that was begun again since is not the paused one any more.
            is_latest = operation.title not in titles
            if operation.kind == "download":
                titles.add(operation.title)
            if running:
                self._seen.add(operation.id)
            elif not is_latest or not (paused or self._has_failed(operation)):
                continue
            rows.append(self._row(operation, running=running, paused=paused))
        self.busy = any(row["running"] for row in rows)
        return rows

    def _has_failed(self, operation: OperationInfo) -> bool:
        """Whether it failed while somebody watched: what was done is seen among the models."""
        return operation.id in self._seen and operation.state in FAILED

    def _row(self, operation: OperationInfo, *, running: bool, paused: bool) -> dict[str, Any]:
        done, total = operation.done, operation.total
        return {
            "id": operation.id,
            "kind": kind_word(operation),
            "title": operation.title,
            "path": operation.model_path or operation.title,
            "state": "paused" if paused else operation.state,
            "running": running,
            "fraction": done / total if total else None,
            "small": self._figures(operation) if running else _kept(operation) if paused else "",
            "loads": operation.id in self.load_when_done,
            "problem": self.problems.get(operation.id),
        }

    def _figures(self, operation: OperationInfo) -> str:
        """How far, how fast and how long still; or what it waits for."""
        stage, done, total = operation.stage, operation.done, operation.total
        if not stage:
            return "waiting …" if operation.state == "queued" else "beginning …"
        per_s = self._per_s(operation)
        parts = ["fetching the checkpoint"] if (operation.kind, stage) == FETCHING else []
        if stage in ("download", "verify"):
            parts.append(f"{size(done)} of {size(total)}" if total else size(done))
        elif total:
            parts.append(f"{done / total:.0%}")
        if per_s and stage == "download":
            parts.append(f"{size(per_s)}/s")
        if per_s and total and stage != "load":
            parts.append(_left(max(0.0, total - done) / per_s))
        return " · ".join(parts)

    def _per_s(self, operation: OperationInfo) -> float | None:
        meter = self._meters.setdefault(operation.id, Throughput(self._clock))
        meter.take(Progress(stage=operation.stage, done=operation.done, total=operation.total))
        return meter.per_s


def is_paused(operation: OperationInfo) -> bool:
    """Whether it is a download that can go on where it was."""
    return operation.kind == "download" and operation.state in PAUSED


def _kept(operation: OperationInfo) -> str:
    """What there is of a paused download."""
    if not operation.done or not operation.total:
        return "what came is kept"
    return f"{size(operation.done)} of {size(operation.total)} kept"


def _left(time_s: float) -> str:
    """Time as one reads it at a glance: no tenths that change faster than one reads."""
    if time_s < 90:
        return f"{max(1, round(time_s))} s left"
    return f"{round(time_s / 60)} min left" if time_s < 5400 else f"{time_s / 3600:.1f} h left"
