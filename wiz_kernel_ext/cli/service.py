"""`jupyter wiz status`, `unload`, `stop` and `logs`: none of them starts a service."""

from __future__ import annotations

import json
import time
from collections import deque
from pathlib import Path
from typing import Any

from wiz_kernel_ext.cli.json_values import plain
from wiz_kernel_ext.cli.paths import located
from wiz_kernel_ext.cli.report import service_line, status_tables, unloaded_line
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.errors import ServiceNotRunning
from wiz_kernel_ext.protocol.requests import UnloadModel
from wiz_kernel_ext.protocol.results import Status, UnloadInfo
from wiz_kernel_ext.settings import Settings
from wiz_kernel_ext.transport.endpoints import places

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
        info = client.request(request, UnloadInfo)
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
    """Print the end of the log, also of a service that is gone, and go on if asked."""
    file = places(Settings.from_environment()).log_file
    if not file.exists():
        raise ServiceNotRunning(f"There is no log yet at {file}.")
    position = _print_tail(file, n_lines)
    while follow:
        time.sleep(POLL_S)
        with file.open("rb") as log:
            # A new service may have begun the file anew.
            log.seek(position if file.stat().st_size >= position else 0)
            if more := log.read():
                print(more.decode(errors="replace"), end="", flush=True)
            position = log.tell()
    return 0


def _print_tail(file: Path, n_lines: int) -> int:
    with file.open("rb") as log:
        last = deque(log, maxlen=max(0, n_lines))
        position = log.tell()
    print(b"".join(last).decode(errors="replace"), end="", flush=True)
    return position
