"""In a process with this folder on its path, the folders of WIZ_TEST_LOCKLESS have no locks."""

from __future__ import annotations

import errno
import fcntl
import os
from typing import Any

_locked = fcntl.flock
_folders = tuple(filter(None, os.environ.get("WIZ_TEST_LOCKLESS", "").split(os.pathsep)))


def _flock(handle: Any, kind: int) -> None:
    number = handle if isinstance(handle, int) else handle.fileno()
    if os.readlink(f"/proc/self/fd/{number}").startswith(_folders):  # noqa: PTH115
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
    _locked(handle, kind)


if _folders:
    fcntl.flock = _flock
