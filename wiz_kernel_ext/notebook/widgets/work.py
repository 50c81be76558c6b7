"""Work on models under way, as the downloader shows it: how far, how fast, how long still.

Pure but for the clock. Rates are smoothed over the last looks, so that the time left stands still
long enough to be read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from wiz_kernel_ext.cli.words import duration, size
from wiz_kernel_ext.protocol.results import TERMINAL_STATES, OperationInfo

KINDS = frozenset({"download", "verify", "convert", "quantize", "load"})
SMOOTHING = 0.3


@dataclass
class _Look:
    done: float
    at_s: float
    per_s: float | None = None


class Work:
    """What is under way, and what was paused or has ended since this panel watches."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._looks: dict[str, _Look] = {}
        self._seen: set[str] = set()
        self._dismissed: set[str] = set()
        self.load_when_done: set[str] = set()
        self.busy = False

    def dismiss(self, operation_id: str) -> None:
        """Show this one no more."""
        self._dismissed.add(operation_id)

    def draw(self, operations: Iterable[OperationInfo]) -> list[dict[str, Any]]:
        """The rows, newest first: all that is under way, and what ended while it was shown.

        A download that was cancelled is a paused one: what came of it is kept.
        """
        rows, titles = [], set()
        for operation in operations:
            if operation.kind not in KINDS or operation.id in self._dismissed:
                continue
            running = operation.state not in TERMINAL_STATES
            paused = operation.kind == "download" and operation.state == "cancelled"
            # One that was begun again since is not the paused one any more.
            is_latest = operation.title not in titles
            if operation.kind == "download":
                titles.add(operation.title)
            if running:
                self._seen.add(operation.id)
            elif not (is_latest if paused else self._is_news(operation)):
                continue
            rows.append(self._row(operation, running=running, paused=paused))
        self.busy = any(row["running"] for row in rows)
        return rows

    def _is_news(self, operation: OperationInfo) -> bool:
        """Whether an ended one is still to be told of: a loaded model is seen elsewhere."""
        loaded = operation.kind == "load" and operation.state == "done"
        return operation.id in self._seen and not loaded

    def _row(self, operation: OperationInfo, *, running: bool, paused: bool) -> dict[str, Any]:
        done, total = operation.done, operation.total
        per_s = self._per_s(operation) if running else None
        parts = []
        if operation.stage in ("download", "verify") and done:
            parts.append(f"{size(done)} of {size(total)}" if total else size(done))
        if per_s and operation.stage == "download":
            parts.append(f"{size(per_s)}/s")
        if per_s and total:
            parts.append(f"{duration(max(0.0, total - done) / per_s)} left")
        state = "paused" if paused else operation.state
        return {
            "id": operation.id,
            "kind": operation.kind,
            "title": operation.title,
            "state": state,
            "running": running,
            "fraction": done / total if total else None,
            "small": " · ".join(parts) or (operation.stage if running else ""),
            "loads": operation.id in self.load_when_done,
        }

    def _per_s(self, operation: OperationInfo) -> float | None:
        now, last = self._clock(), self._looks.get(operation.id)
        if last is None or operation.done < last.done:
            self._looks[operation.id] = _Look(operation.done, now)
            return None
        if now - last.at_s > 0.2:
            latest = (operation.done - last.done) / (now - last.at_s)
            before = latest if last.per_s is None else last.per_s
            last.per_s = before + SMOOTHING * (latest - before)
            last.done, last.at_s = operation.done, now
        return last.per_s
