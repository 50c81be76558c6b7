"""Two file locks: the one a service holds for life, and the one held while starting it.

The operating system lets go of both when their holder dies, however it dies; so they tell the
living from the dead where a process id (used again) or a file (left behind) cannot. Lock files
are never removed by us: a removed one could be held twice, so its holder looks whether it is there.
A lock is shared with processes made by `os.fork`; children made by `subprocess` do not get it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import filelock

from wiz_kernel_ext.errors import ServiceError, ServiceStartFailed

_RETRY_S = 0.005
LOCAL_DISK_HINT = (
    "Set WIZ_RUNTIME_DIR and WIZ_DATA_DIR to directories of yours on a local disk, each to its "
    "own, and run it again: in a notebook with %env."
)


class LifetimeLock:
    """An exclusive lock on `path`, held from `acquire` to the end of the process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None

    def acquire(
        self, timeout_s: float = 0.5, *, sleep: Callable[[float], None] = time.sleep
    ) -> bool:
        """Take the lock; False if another holder keeps it for `timeout_s`.

        It waits a little even where nobody holds it for good, because `is_held` does for a moment.
        Raises ServiceError where files cannot be locked.
        """
        with _typed(self._path):
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            deadline_s = time.monotonic() + timeout_s
            while not _try_lock(handle, self._path, fcntl.LOCK_EX):
                if time.monotonic() >= deadline_s:
                    return False
                sleep(_RETRY_S)
            self._handle, handle = handle, -1
            return True
        finally:
            if handle >= 0:
                os.close(handle)

    @property
    def in_place(self) -> bool:
        """Whether the file that is locked is the one others look at; it may have been removed."""
        try:
            there = os.stat(self._path)  # noqa: PTH116
            return self._handle is not None and os.path.samestat(os.fstat(self._handle), there)
        except FileNotFoundError:
            return False

    def renew(self) -> bool:
        """Lock the file that is there now, or a new one; False where another holds that.

        Raises as `acquire` does.
        """
        former, self._handle = self._handle, None
        if self.acquire():
            if former is not None:
                os.close(former)
            return True
        self._handle = former
        return False

    def release(self) -> None:
        """Let go before the end of the process."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def is_held(path: Path) -> bool:
    """Whether a living process holds the lifetime lock on `path`; raises as `acquire` does."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        return not _try_lock(handle, path, fcntl.LOCK_SH)
    finally:
        os.close(handle)


def _try_lock(handle: int, path: Path, kind: int) -> bool:
    try:
        with _typed(path):
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def _typed(path: Path) -> Iterator[None]:
    try:
        yield
    except (BlockingIOError, filelock.Timeout):
        raise
    except (OSError, NotImplementedError) as error:
        has_none = getattr(error, "errno", None) in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
        why = "Its file system has no locks. " if has_none else ""
        raise ServiceError(
            f"{path} cannot be locked: {getattr(error, 'strerror', None) or error}.",
            hint=why + LOCAL_DISK_HINT,
        ) from error


@contextlib.contextmanager
def start_lock(path: Path, timeout_s: float) -> Iterator[None]:
    """Hold the lock under which a service is started or ended.

    Raises ServiceStartFailed if another process keeps it for `timeout_s`, and ServiceError where
    files cannot be locked.
    """
    lock = filelock.FileLock(path, timeout=timeout_s, poll_interval=0.02, mode=0o600)
    try:
        with _typed(path):
            lock.acquire()
    except filelock.Timeout:
        raise ServiceStartFailed(
            f"Another process has been starting the service for more than {timeout_s:.0f} s.",
            hint=f"Try again; if it stays so, see who holds {path}.",
        ) from None
    try:
        yield
    finally:
        lock.release()
