"""Finding the service that runs, without asking it: is it alive, and how is it reached.

Takes well under a millisecond, so that a client may ask before every call. That it also answers
is for the client to see.
"""

from __future__ import annotations

import time

from wiz_kernel_ext.transport.endpoints import ConnectionInfo, Places, read_connection
from wiz_kernel_ext.transport.locks import is_held

_POLL_S = 0.02


def find(where: Places) -> ConnectionInfo | None:
    """How to reach the running service, or None if there is none that can be reached yet."""
    if not is_held(where.alive_file):
        return None
    return read_connection(where.connection_file)


def find_soon(where: Places, timeout_s: float) -> ConnectionInfo | None:
    """`find`, where a service lives whose files were removed: it puts them back in a moment."""
    deadline = time.monotonic() + timeout_s
    while (info := find(where)) is None and time.monotonic() < deadline:
        if not (is_held(where.alive_file) or _has_database(where)):
            break
        time.sleep(_POLL_S)
    return info


def _has_database(where: Places) -> bool:
    """Whether a service of these places has the database, also one that has lost the others."""
    try:
        owner = where.database_lock_file.read_text(errors="replace")
    except OSError:
        return False
    return owner == str(where.runtime_dir) and is_held(where.database_lock_file)


def has_ended(where: Places, info: ConnectionInfo) -> bool:
    """Whether the service that `info` describes is gone, or another has taken its place."""
    if not is_held(where.alive_file):
        # One whose lock file was removed puts it back; as long as it lives it has the other.
        return where.alive_file.exists() or not is_held(where.database_lock_file)
    current = read_connection(where.connection_file)
    return current is not None and (current.pid, current.endpoint) != (info.pid, info.endpoint)
