"""What a running service has in the file system, so that it is found and is the only one.

Whatever of it is taken away meanwhile is put back within a moment: the locks, the socket, the
connection file, the database, the log. Where another service has taken its place, it says so.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import msgspec

from wiz_kernel_ext.errors import ServiceError, ServiceStartFailed, WizError
from wiz_kernel_ext.transport.discovery import find
from wiz_kernel_ext.transport.endpoints import (
    ConnectionInfo,
    Places,
    read_connection,
    write_connection,
)
from wiz_kernel_ext.transport.locks import LifetimeLock
from wiz_kernel_ext.transport.python_environment import PythonEnvironment, keep_environment

log = logging.getLogger(__name__)


class Listener(Protocol):
    """The link that clients connect to."""

    @property
    def is_full(self) -> bool:
        """Whether it lets nobody else in."""

    def listen_again(self) -> bool:
        """Listen where it listened, if nobody can find it there any more; whether that was so."""


class Presence:
    """The places of one service, held from `hold` to `leave`."""

    def __init__(self, where: Places) -> None:
        self._where = where
        self._alive = LifetimeLock(where.alive_file)
        self._database = LifetimeLock(where.database_lock_file)
        self._has_database_lock = False
        self._info: ConnectionInfo | None = None
        self._environment: PythonEnvironment | None = None
        self._listener: Listener | None = None
        self._logs_here = _is_same(2, where.log_file)

    def hold(self, timeout_s: float) -> None:
        """Be the one service of this name and of this database.

        One that is just ending is waited for. Raises ServiceStartFailed.
        """
        deadline = time.monotonic() + timeout_s
        self._hold_database(deadline)
        # What is here before the other lock is one whose files were taken away: it puts them back.
        if not self._alive.acquire(timeout_s=max(0.0, deadline - time.monotonic())):
            self._database.release()
            raise self._runs_already()

    def _hold_database(self, deadline: float) -> None:
        """No two services have one database, also where their runtime directories are two."""
        file = self._where.database_lock_file
        try:
            while not self._database.acquire():
                other = file.read_text(errors="replace")
                if other and other != str(self._where.runtime_dir):
                    raise ServiceStartFailed(
                        f"{self._where.database_file} is in use by the service with the runtime "
                        f"directory {other}.",
                        hint="Set WIZ_RUNTIME_DIR to that, or WIZ_SERVICE to a name for one of its "
                        "own.",
                    )
                if find(self._where) or time.monotonic() > deadline:
                    raise self._runs_already()
            self._has_database_lock = True
            file.write_text(str(self._where.runtime_dir))
        except ServiceStartFailed:
            raise
        except ServiceError as error:  # a network file system without locks
            log.warning("%s", error)
        except OSError as error:  # no room to say whose it is
            log.warning("%s: %s", file, error)

    def _runs_already(self) -> ServiceStartFailed:
        return ServiceStartFailed(f"A service called {self._where.name!r} runs already.")

    @property
    def is_announced(self) -> bool:
        """Whether clients are to find it."""
        return self._info is not None

    def announce(
        self, info: ConnectionInfo, listener: Listener, environment: PythonEnvironment
    ) -> None:
        """Let clients find it, or find what has changed."""
        self._info, self._listener, self._environment = info, listener, environment
        self._keep_environment()
        write_connection(self._where.connection_file, info)
        log.info("serving at %s", info.endpoint)

    async def look(self, put_back_database: Callable[[], Awaitable[bool]]) -> bool:
        """Put back what is gone; False where another service has taken this one's place."""
        try:
            return self._put_back() and await self._look_at_database(put_back_database)
        except (WizError, OSError) as error:
            log.warning("What is gone cannot be put back now: %s", error)
        return True

    def _put_back(self) -> bool:
        gone = []
        if not (self._where.runtime_dir.is_dir() and self._where.socket_dir.is_dir()):
            self._where.create()
            gone.append("a directory")
        if not self._alive.in_place:
            if not self._alive.renew():
                log.error("Another service has taken the place of this one.")
                return False
            gone.append(self._where.alive_file.name)
        if self._has_database_lock and not self._database.in_place:
            if not self._database.renew():
                log.error("Another service has taken the database of this one.")
                return False
            self._where.database_lock_file.write_text(str(self._where.runtime_dir))
            gone.append(self._where.database_lock_file.name)
        if self._listener is not None and self._listener.listen_again():
            gone.append("the socket")
        if self._info and self._listener and self._info.is_full != self._listener.is_full:
            self._info = msgspec.structs.replace(self._info, is_full=self._listener.is_full)
            write_connection(self._where.connection_file, self._info)
        if self._info and read_connection(self._where.connection_file) != self._info:
            write_connection(self._where.connection_file, self._info)
            gone.append(self._where.connection_file.name)
        if not self._where.environment_file.exists():
            self._keep_environment()
        if self._logs_here and not _is_same(2, self._where.log_file):
            _log_to(self._where.log_file)
            gone.append(self._where.log_file.name)
        if gone:
            log.warning("Put back, since somebody had removed it: %s", ", ".join(gone))
        return True

    async def _look_at_database(self, put_back: Callable[[], Awaitable[bool]]) -> bool:
        if await put_back():
            log.warning("Put back, since somebody had removed it: the database")
        return True

    def _keep_environment(self) -> None:
        if self._environment is None:
            return
        try:
            keep_environment(self._where.environment_file, self._environment)
        except ServiceError as error:
            log.warning("%s", error)

    def withdraw(self) -> None:
        """Be found no more, unless what is found is another."""
        info, self._info = self._info, None
        there = read_connection(self._where.connection_file)
        if info is None or there is None or there == info:
            with suppress(OSError):
                self._where.connection_file.unlink(missing_ok=True)

    def leave(self) -> None:
        """Let another be the one."""
        self._database.release()
        self._alive.release()


def _is_same(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except OSError:
        return False


def _log_to(file: Path) -> None:
    """Send what is said on standard output and error to `file`, as at the start."""
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for standard in (1, 2):
        os.dup2(handle, standard)
    os.close(handle)
