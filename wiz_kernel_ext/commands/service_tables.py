"""What the service says of itself, as tables: for a terminal as text, for a notebook's view.

Pure: a result in, rows of text out. Times shown are relative to `now`, seconds since the epoch.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import wiz_kernel_ext
from wiz_kernel_ext.commands.numbers import ago, count, duration, shortened, size
from wiz_kernel_ext.printable import one_line
from wiz_kernel_ext.protocol.events import WAITING
from wiz_kernel_ext.protocol.results import (
    LOAD_KINDS,
    Loaded,
    OperationInfo,
    ServiceInfo,
    SessionInfo,
    Status,
    UnloadInfo,
    WorkerInfo,
)
from wiz_kernel_ext.remedies import worded

TITLE_WIDTH = 40


@dataclass(frozen=True)
class Table:
    """A caption, column names and rows; without rows only `empty` is shown."""

    caption: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    empty: str

    def plain(self) -> str:
        """The table in a fixed-width font."""
        if not self.rows:
            return self.empty
        lines = [self.columns, *(tuple(map(one_line, row)) for row in self.rows)]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.columns))]
        drawn = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        ]
        return "\n".join([one_line(self.caption), *(f"  {line}" for line in drawn)])


def status_tables(status: Status, now: float) -> list[Table]:
    """Models, what they are computed on, running and latest operations, and sessions."""
    return [
        worker_table(status.workers),
        *device_tables(status.service),
        operation_table(status.operations[:5], now),
        session_table(status.sessions[:5], now),
    ]


def service_line(status: Status) -> str:
    """The service in one line."""
    service = status.service
    about = f"Wiz service {service.version}, pid {service.pid}"
    words = [about, *asker_words(service), *engine_words(service), f"log: {service.log_file}"]
    return " · ".join([*words, *([service.notice] if service.notice else [])])


def asker_words(service: ServiceInfo) -> list[str]:
    """What is another here than there: the version, and the Python environment."""
    words = []
    if service.version != wiz_kernel_ext.__version__:
        words.append(f"here: {wiz_kernel_ext.__version__}")
    if service.executable not in ("", sys.executable):
        words.append(f"run by {service.executable}")
    return words


def engine_words(service: ServiceInfo) -> list[str]:
    """The engine and how it is used, once that is known: one line, or none."""
    if (engine := service.engine) is None:
        return []
    how = "" if engine.is_plain else worded(f", {engine.way}: `wiz doctor`")
    return [f"llama-cpp-python {engine.version}{how}"]


def worker_table(workers: Sequence[WorkerInfo]) -> Table:
    """The loaded models."""
    rows = [
        (
            with_draft(worker),
            str(worker.pid),
            size(worker.memory_bytes),
            "-" if worker.context is None else str(worker.context),
            "-" if worker.sequences is None else str(worker.sequences),
            "-" if worker.threads is None else str(worker.threads),
            _running(worker),
            _stays(worker),
        )
        for worker in workers
    ]
    columns = ("model", "pid", "memory", "context", "sequences", "threads", "running", "unloads in")
    return Table("Models", columns, rows, "No model is loaded.")


def device_tables(service: ServiceInfo) -> list[Table]:
    """What the engine computes on, once that is known: one table, or none."""
    if service.engine is None or not service.engine.devices:
        return []
    rows = [(device,) for device in service.engine.devices]
    return [Table("Devices", ("device",), rows, "")]


def with_draft(worker: WorkerInfo) -> str:
    """A loaded model's name, and that of the one that guesses for it."""
    draft = worker.draft.rpartition("/")[2]
    return f"{worker.model} + {draft}" if draft else worker.model


def kind_word(operation: OperationInfo) -> str:
    """What an operation does, in a word."""
    return "load" if operation.kind in LOAD_KINDS else operation.kind


def operation_table(operations: Sequence[OperationInfo], now: float) -> Table:
    """Operations, in the order given."""
    rows = [
        (
            operation.id,
            kind_word(operation),
            state_words(operation),
            operation.session or "-",
            _took(operation, now),
            shortened(operation.title, TITLE_WIDTH),
        )
        for operation in operations
    ]
    columns = ("operation", "kind", "state", "session", "took", "about")
    return Table("Operations", columns, rows, "No operation was started yet.")


def session_table(sessions: Sequence[SessionInfo], now: float) -> Table:
    """Sessions, in the order given."""
    rows = [
        (
            session.name,
            str(session.n_messages),
            ago(session.updated_at, now),
            _model_words(session),
        )
        for session in sessions
    ]
    columns = ("session", "messages", "used", "model")
    return Table("Sessions", columns, rows, "There is no session yet.")


def _model_words(session: SessionInfo) -> str:
    """The model a session talks to, and the adapters it does that with."""
    used = [session.model_path or "-", *session.adapters]
    return " + ".join(one.rpartition("/")[2] for one in used)


def loaded_line(name: str, size_bytes: int, load_time_s: float, shared: bool) -> str:
    """One line about a model just loaded."""
    how = "was loaded already: shared" if shared else f"loaded in {duration(load_time_s)}"
    return f"{name} ({size(size_bytes)}) {how}"


def described(loaded: Loaded) -> str:
    """What is loaded, and how, in one line."""
    model, context = loaded.model, loaded.context
    name = model.name or model.model_path.rpartition("/")[2]
    parts = [
        loaded_line(name, model.size_bytes, loaded.timings.total_s, model.shared),
        f"context {context.context_size}",
        f"sequences {context.sequences}",
        f"threads {context.threads}",
    ]
    if model.draft:
        parts.append(f"draft {model.draft.rpartition('/')[2]}")
    if model.projector:
        parts.append(f"sees with {model.projector.rpartition('/')[2]}")
    if model.gpu_layers:
        parts.append(f"GPU layers {model.gpu_layers}")
    if model.worker_pid is not None:
        parts.append(f"worker {model.worker_pid}")
    return " · ".join(parts)


def unloaded_line(info: UnloadInfo) -> str:
    """One line about a model just unloaded."""
    name = info.model_path.rpartition("/")[2]
    return f"{name} unloaded, {size(info.freed_bytes)} given back."


def speed(n_tokens: int, time_s: float) -> str:
    """Tokens and, where it means something, tokens per second."""
    text = count(n_tokens, "token")
    return f"{text} · {n_tokens / time_s:.0f} tokens/s" if n_tokens > 1 and time_s > 0 else text


def live_speed(n_tokens: int, per_s: float | None) -> str:
    """Tokens so far and, once that is known, how many come per second."""
    text = count(n_tokens, "token")
    return text if per_s is None else f"{text} · {per_s:.0f} tokens/s"


def state_words(operation: OperationInfo) -> str:
    """The state, and how far it is: by tokens once it answers, before that by its stage."""
    if operation.state != "running":
        return operation.state
    if operation.n_tokens:
        return f"running, {count(operation.n_tokens, 'token')}"
    if operation.stage == WAITING:
        return WAITING
    if operation.total:
        return f"running, {operation.stage} {operation.done / operation.total:.0%}"
    return "running"


def _took(operation: OperationInfo, now: float) -> str:
    end = now if operation.ended_at is None else operation.ended_at
    return duration(max(0.0, end - operation.created_at))


def _running(worker: WorkerInfo) -> str:
    queued = f" (+{worker.n_queued} queued)" if worker.n_queued else ""
    silent = f", {no_progress(worker)}" if worker.silent_s else ""
    return f"{worker.n_running}{queued}{silent}"


def no_progress(worker: WorkerInfo) -> str:
    """That a worker makes no progress, and for how long."""
    return f"no progress for {duration(worker.silent_s)}"


def _stays(worker: WorkerInfo) -> str:
    if worker.keep_alive_s is None or worker.keep_alive_s < 0:
        return "never"
    return duration(max(0.0, worker.keep_alive_s - worker.idle_s))
