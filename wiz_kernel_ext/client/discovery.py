"""Find the service, or start one: two notebooks that start at the same instant share one.

Starts it by command line, detached from this process, under a file lock.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import wiz_kernel_ext
from wiz_kernel_ext.errors import ServiceNotRunning, ServiceStartFailed, VersionMismatch
from wiz_kernel_ext.log_file import last_lines
from wiz_kernel_ext.protocol.codec import PROTOCOL_VERSION
from wiz_kernel_ext.settings import Settings
from wiz_kernel_ext.transport.discovery import find
from wiz_kernel_ext.transport.endpoints import ConnectionInfo, Places, remove_stale
from wiz_kernel_ext.transport.locks import is_held, start_lock
from wiz_kernel_ext.transport.spawn import spawn_detached

POLL_S = 0.02
N_LOG_LINES = 40


def find_or_start(settings: Settings, where: Places) -> ConnectionInfo:
    """How to reach the service; blocks while one starts. Raises ServiceStartFailed."""
    if info := find(where):
        return info
    where.create()
    with start_lock(where.start_lock_file, settings.start_timeout_s):
        if info := find(where):
            return info
        if not is_held(where.alive_file):
            remove_stale(where)
        pid = spawn_detached(
            [sys.executable, "-m", "wiz_kernel_ext.service"],
            where.log_file,
            service_environment(settings, where),
        )
        return _wait_until_found(pid, settings, where)


def find_running(where: Places) -> ConnectionInfo:
    """How to reach the service; raises ServiceNotRunning."""
    if info := find(where):
        return info
    raise ServiceNotRunning("The wiz service is not running.")


def check_version(info: ConnectionInfo) -> None:
    """Raises VersionMismatch for a service of another protocol version."""
    if info.protocol != PROTOCOL_VERSION:
        raise VersionMismatch(
            f"The running service (pid {info.pid}, version {info.version}) speaks protocol "
            f"{info.protocol}; this one speaks {PROTOCOL_VERSION}.",
            pid=info.pid,
        )


def service_environment(settings: Settings, where: Places) -> dict[str, str]:
    """The environment of a service with these settings, which can import this package."""
    home = Path(wiz_kernel_ext.__file__).parents[1]
    inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    # The service's working directory is "/": relative entries would lead elsewhere.
    paths = [str(home), *(str(Path(path).absolute()) for path in inherited if path)]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "WIZ_SERVICE": settings.name,
        "WIZ_RUNTIME_DIR": str(where.runtime_dir),
        "WIZ_DATA_DIR": str(where.data_dir),
        "WIZ_MODELS_DIR": str(where.models_dir),
        "WIZ_KEEP_ALIVE_S": str(settings.keep_alive_s),
        "WIZ_IDLE_EXIT_S": str(settings.idle_exit_s),
        "WIZ_START_TIMEOUT_S": str(settings.start_timeout_s),
    }


def _wait_until_found(pid: int, settings: Settings, where: Places) -> ConnectionInfo:
    deadline = time.monotonic() + settings.start_timeout_s
    while time.monotonic() < deadline:
        if info := find(where):
            return info
        if not _is_alive(pid):
            break
        time.sleep(POLL_S)
    lines = last_lines(where.log_file, N_LOG_LINES)
    last = f" Its last words: {lines[-1]}" if lines else ""
    raise ServiceStartFailed(f"The service (pid {pid}) did not start.{last}", log="\n".join(lines))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
