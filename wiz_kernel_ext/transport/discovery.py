"""Finding the service that runs, without asking it: is it alive, and how is it reached.

Takes well under a millisecond, so that a client may ask before every call. That it also answers
is for the client to see.
"""

from __future__ import annotations

from wiz_kernel_ext.transport.endpoints import ConnectionInfo, Places, read_connection
from wiz_kernel_ext.transport.locks import is_held


def find(where: Places) -> ConnectionInfo | None:
    """How to reach the running service, or None if there is none that can be reached yet."""
    if not is_held(where.alive_file):
        return None
    return read_connection(where.connection_file)


def has_ended(where: Places, info: ConnectionInfo) -> bool:
    """Whether the service that `info` describes is gone, or another has taken its place."""
    if not is_held(where.alive_file):
        return True
    current = read_connection(where.connection_file)
    return current is not None and (current.pid, current.endpoint) != (info.pid, info.endpoint)
