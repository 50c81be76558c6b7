"""The service as the status panel shows it: its state, in rows of facts, each with a key.

Pure but for the clock and the log file it reads.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from wiz_kernel_ext.commands.numbers import ago, duration, shortened, size
from wiz_kernel_ext.commands.service_tables import (
    asker_words,
    engine_words,
    kind_word,
    no_progress,
    with_draft,
)
from wiz_kernel_ext.commands.throughput import Throughput
from wiz_kernel_ext.log_file import last_lines
from wiz_kernel_ext.protocol.events import Progress
from wiz_kernel_ext.protocol.results import TERMINAL_STATES, OperationInfo, Status, WorkerInfo

N_LOG_LINES = 40
N_ENDED = 5
N_SESSIONS = 8
TITLE_WIDTH = 60


class StatusState(msgspec.Struct, frozen=True, kw_only=True):
    """All that a status panel shows.

    `running` says whether there is a service, None: not yet known. The other parts are what was
    last seen of it.
    """

    running: bool | None = None
    service: str = ""
    memory: dict[str, Any] | None = None
    models: list[dict[str, Any]] = []
    operations: list[dict[str, Any]] = []
    sessions: list[dict[str, Any]] = []
    log: str = ""


class StatusRows:
    """Turns a `Status` into the parts of a `StatusState`."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._meters: dict[str, Throughput] = {}
        self.busy = False

    def draw(self, status: Status) -> dict[str, Any]:
        """What the panel shows of `status`."""
        now = self._clock()
        running = [o for o in status.operations if o.state not in TERMINAL_STATES]
        ended = [o for o in status.operations if o.state in TERMINAL_STATES][:N_ENDED]
        self.busy = bool(running)
        operations = [self._operation(operation, now) for operation in [*running, *ended]]
        self._meters = {o.id: self._meters[o.id] for o in running if o.id in self._meters}
        service = status.service
        return {
            "service": " · ".join(
                [
                    f"Version {service.version}",
                    f"process {service.pid}",
                    f"up {duration(max(0.0, now - service.started_at))}",
                    *asker_words(service),
                    *engine_words(service),
                ]
            ),
            "memory": _memory(status),
            "models": [_model(worker) for worker in status.workers],
            "operations": operations,
            "sessions": [
                {
                    "name": session.name,
                    "messages": session.n_messages,
                    "used": ago(session.updated_at, now),
                }
                for session in status.sessions[:N_SESSIONS]
            ],
            "log": "\n".join(
                last_lines(Path(service.log_file), N_LOG_LINES) if service.log_file else []
            ),
        }

    def _operation(self, operation: OperationInfo, now: float) -> dict[str, Any]:
        running = operation.state not in TERMINAL_STATES
        ended_at = operation.ended_at if operation.ended_at is not None else now
        return {
            "id": operation.id,
            "kind": kind_word(operation),
            "state": operation.state,
            "session": operation.session or "",
            "title": shortened(operation.title, TITLE_WIDTH),
            "took": duration(max(0.0, ended_at - operation.created_at)),
            "running": running,
            "rate": self._rate(operation) if running else "",
            "stage": operation.stage if running and not operation.n_tokens else "",
            # Once it answers, nobody knows how far that will go: the prompt was read.
            "fraction": operation.done / operation.total
            if operation.total and not operation.n_tokens
            else None,
        }

    def _rate(self, operation: OperationInfo) -> str:
        """Tokens, or bytes of a download, per second."""
        is_download = operation.stage == "download"
        counter = operation.done if is_download else operation.n_tokens
        meter = self._meters.setdefault(operation.id, Throughput(self._clock))
        meter.take(Progress(stage=operation.stage if is_download else "answer", done=counter))
        if meter.per_s is None or not counter:
            return ""
        return f"{size(meter.per_s)}/s" if is_download else f"{meter.per_s:.0f} tokens/s"


def _model(worker: WorkerInfo) -> dict[str, Any]:
    keep_alive_s = worker.keep_alive_s
    stays = (
        "for good"
        if keep_alive_s is None or keep_alive_s < 0
        else duration(max(0.0, keep_alive_s - worker.idle_s))
    )
    if worker.silent_s:
        stays = no_progress(worker)
    elif worker.n_running:
        stays = "in use"
    parts = {"weights": worker.weights_bytes, "KV": worker.kv_bytes}
    return {
        "path": worker.model_path,
        "name": with_draft(worker),
        "memory": size(worker.memory_bytes),
        "parts": " · ".join(f"{name} {size(n)}" for name, n in parts.items() if n),
        "context": worker.context,
        "sequences": worker.sequences,
        "threads": worker.threads,
        "running": worker.n_running,
        "stays": stays,
        "pid": worker.pid,
    }


def _memory(status: Status) -> dict[str, Any] | None:
    """What the service and its workers take, of what they could."""
    used = status.service.memory_bytes + sum(worker.memory_bytes for worker in status.workers)
    available = status.service.memory_available_bytes
    if not available:
        return None
    return {
        "text": f"{size(used)} of {size(used + available)}",
        "fraction": used / (used + available),
        "limit": status.service.memory_limit,
    }
