"""Find the service, or start one: two notebooks that start at the same instant share one.

Starts it by command line, detached from this process, under a file lock, in the Python environment
that is the best to run it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from pathlib import Path

from wiz_kernel_ext.client.meeting import starter
from wiz_kernel_ext.errors import ServiceStartFailed
from wiz_kernel_ext.log_file import last_lines
from wiz_kernel_ext.settings import Settings
from wiz_kernel_ext.transport.discovery import find, find_soon
from wiz_kernel_ext.transport.endpoints import ConnectionInfo, Places, remove_stale
from wiz_kernel_ext.transport.locks import is_held, start_lock
from wiz_kernel_ext.transport.python_environment import (
    PythonEnvironment,
    installed_version,
    known_environment,
    last_environment,
)
from wiz_kernel_ext.transport.spawn import spawn_detached

POLL_S = 0.02
COME_BACK_S = 4.0
N_LOG_LINES = 40
MAX_LOG_BYTES = 4_000_000

log = logging.getLogger(__name__)


def find_or_start(settings: Settings, where: Places) -> ConnectionInfo:
    """How to reach the service; blocks while one starts. Raises ServiceStartFailed, PackageGone."""
    if info := find_soon(where, COME_BACK_S):
        return info
    where.create()
    where.check_owners()
    with start_lock(where.start_lock_file, settings.start_wait_s):
        if info := find(where):
            return info
        own = known_environment(where.engines_file)
        installed_version()  # raises where there is nothing left to start
        chosen = starter(own, last_environment(where.environment_file))
        if chosen != own:
            try:
                return _start(chosen, settings, where)
            except ServiceStartFailed as error:
                log.warning("%s Starting it with %s instead.", error, own.executable)
                where.environment_file.unlink(missing_ok=True)
        return _start(own, settings, where)


def service_environment(
    chosen: PythonEnvironment, settings: Settings, where: Places
) -> dict[str, str]:
    """The variables of a service with these settings, which can import this package."""
    variables = {
        **os.environ,
        "PYTHONPATH": chosen.python_path,
        "WIZ_SERVICE": settings.name,
        "WIZ_RUNTIME_DIR": str(where.runtime_dir),
        "WIZ_DATA_DIR": str(where.data_dir),
        "WIZ_MODELS_DIR": str(where.models_dir),
        "WIZ_KEEP_ALIVE_S": str(settings.keep_alive_s),
        "WIZ_IDLE_EXIT_S": str(settings.idle_exit_s),
        "WIZ_START_TIMEOUT_S": str(settings.start_timeout_s),
        "WIZ_DRAIN_TIMEOUT_S": str(settings.drain_timeout_s),
        "WIZ_HUNG_AFTER_S": str(settings.hung_after_s),
    }
    if chosen.executable != sys.executable:
        variables.pop("PYTHONHOME", None)
    return variables


def _start(chosen: PythonEnvironment, settings: Settings, where: Places) -> ConnectionInfo:
    where.check_room()
    if not is_held(where.alive_file):
        remove_stale(where)
        _set_aside(where.log_file)
    pid = spawn_detached(
        [chosen.executable, "-m", "wiz_kernel_ext.service"],
        where.log_file,
        service_environment(chosen, settings, where),
    )
    return _wait_until_found(pid, settings, where)


def _set_aside(log_file: Path) -> None:
    """Let a long log be the former one, so that logs do not grow for ever."""
    with contextlib.suppress(OSError):
        if log_file.stat().st_size > MAX_LOG_BYTES:
            log_file.replace(log_file.with_name(f"{log_file.name}.1"))


def _wait_until_found(pid: int, settings: Settings, where: Places) -> ConnectionInfo:
    deadline = time.monotonic() + settings.start_wait_s
    while time.monotonic() < deadline:
        if info := find(where):
            return info
        if not _is_alive(pid):
            break
        time.sleep(POLL_S)
    where.check_room()  # what a full disk kept out of the log as well
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
