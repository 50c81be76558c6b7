"""The HTTP client that huggingface_hub uses, whichever package that is (httpx, httpx2).

Going through it keeps what its user configured: proxies, certificates, offline mode, a client of
their own. Knows no hub and no file.
"""

from __future__ import annotations

import ssl
import sys
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

from huggingface_hub import constants
from huggingface_hub.utils import get_session

from wiz_kernel_ext.errors import WizError
from wiz_kernel_ext.hub.fetch.bounds import guard

_READ_BYTES = 1 << 20
_CONNECT_TIMEOUT_S = 3.5
"""Longer than the network's second try at a packet that was lost, after 3 s at the latest."""
_PACKAGES = ("httpx2", "httpx")
_CORES = ("httpcore2", "httpcore")


def session() -> Any:
    """The shared client, set to read in large steps, and only so much (`bounds`).

    The default of 64 KiB costs more CPU per byte than hashing and writing together: 1.8 s against
    0.6 s for 600 MB.
    """
    client = get_session()
    hooks = getattr(client, "event_hooks", {})
    if guard not in hooks.get("response", [guard]):
        hooks["response"].append(guard)
        client.headers["Accept-Encoding"] = "identity"
    for name in _CORES:
        connection = getattr(sys.modules.get(name), "HTTP11Connection", None)
        if hasattr(connection, "READ_NUM_BYTES"):
            connection.READ_NUM_BYTES = _READ_BYTES  # type: ignore[union-attr]
    return client


def question_timeouts_s() -> tuple[float, float, float, float]:
    """For connecting, reading, writing and a free connection, of a question to the hub.

    A network that swallows everything, as behind a firewall, should be told soon; who is connected
    to is given the user's time.
    """
    longest_s = float(constants.HF_HUB_DOWNLOAD_TIMEOUT)
    return (min(_CONNECT_TIMEOUT_S, longest_s), longest_s, longest_s, longest_s)


def is_transport_error(error: BaseException) -> bool:
    """Whether the connection failed, rather than the hub refusing."""
    if isinstance(error, WizError):
        return False
    if isinstance(error, ConnectionError | TimeoutError | ssl.SSLError):
        return True
    kinds = (getattr(sys.modules.get(name), "TransportError", None) for name in _PACKAGES)
    return isinstance(error, tuple(kind for kind in kinds if isinstance(kind, type)))


def root_cause(error: BaseException, name: str) -> BaseException | None:
    """The exception of a class called `name` that led to `error`, if one did."""
    seen: BaseException | None = error
    while seen is not None:
        if type(seen).__name__ == name:
            return seen
        seen = seen.__cause__ or seen.__context__
    return None


def retry_after_s(headers: Any, clock: Callable[[], float] = time.time) -> float | None:
    """How long an answer asks to wait; None if it does not say.

    A date is read against the answer's own clock, which may differ from this machine's.
    """
    value = (headers.get("Retry-After") or "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        until = parsedate_to_datetime(value).timestamp()
    except (TypeError, ValueError):
        return None
    try:
        now = parsedate_to_datetime(headers.get("Date") or "").timestamp()
    except (TypeError, ValueError):
        now = clock()
    return max(until - now, 0.0)
