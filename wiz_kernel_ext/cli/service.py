"""`jupyter wiz status`, `unload`, `stop` and `logs`: none of them starts a service."""

from __future__ import annotations

import json
import time
from collections import deque
from pathlib import Path
from typing import Any

from wiz_kernel_ext.client import Client
from wiz_kernel_ext.commands.json_values import plain
from wiz_kernel_ext.commands.paths import located
from wiz_kernel_ext.commands.service_tables import service_line, status_tables, unloaded_line
from wiz_kernel_ext.errors import ServiceNotRunning
from wiz_kernel_ext.protocol.requests import UnloadModel
from wiz_kernel_ext.protocol.results import Status
from wiz_kernel_ext.settings import Settings
from wiz_kernel_ext.transport.endpoints import Places, places

POLL_S = 0.3


def status(*, as_json: bool) -> int:
    """Print what the service says of itself; raises ServiceNotRunning."""
    client = Client(start=False)
    try:
        found = client.status()
    finally:
        client.close()
    if as_json:
        print(json.dumps(status_json(found), indent=2, ensure_ascii=False))
    else:
        print(service_line(found))
        for table in status_tables(found, time.time()):
            print(table.plain())
    return 0


def status_json(status: Status) -> dict[str, Any]:
    """A status with Python's names, as builtins."""
    fields = plain(status)
    assert isinstance(fields, dict)
    return fields


def unload(model: str | None, *, force: bool) -> int:
    """End a model's process; raises ServiceNotRunning, ModelNotLoaded."""
    client = Client(start=False)
    request = UnloadModel(model_path=located(model) if model else None, force=force)
    try:
        info = client.request(request)
    finally:
        client.close()
    print(unloaded_line(info))
    return 0


def stop() -> int:
    """End the service and wait for it; raises ServiceNotRunning."""
    client = Client(start=False)
    try:
        info = client.stop()
    finally:
        client.close()
    print(f"The service (pid {info.pid}) has stopped.")
    return 0


def logs(n_lines: int, *, follow: bool) -> int:
    """Print the ends of the logs, also of a service that is gone, and go on if asked."""
    where = places(Settings.from_environment())
    if not where.log_file.exists():
        raise ServiceNotRunning(f"There is no log yet at {where.log_file}.")
    positions = {file: _print_tail(file, n_lines) for file in _logs(where)}
    while follow:
        time.sleep(POLL_S)
        for file in _logs(where):
            positions[file] = _print_more(file, positions.get(file, 0))
    return 0


def _logs(where: Places) -> list[Path]:
    """The service's log and that of its latest worker, where the engine speaks."""
    return [where.log_file, *where.logs_of_workers()[-1:]]


def _print_tail(file: Path, n_lines: int) -> int:
    with file.open("rb") as log:
        last = deque(log, maxlen=max(0, n_lines))
        position = log.tell()
    _print(file, b"".join(last))
    return position


def _print_more(file: Path, position: int) -> int:
    with file.open("rb") as log:
        log.seek(position)
        if more := log.read():
            _print(file, more)
        return log.tell()


def _print(file: Path, text: bytes) -> None:
    print(f"==> {file} <==", text.decode(errors="replace").rstrip("\n"), sep="\n", flush=True)
