"""How much a hub may answer, in bytes, headers and time, before it is given up.

A hub, or what stands between, may answer without end, by mistake or by intent. Bytes and headers
are counted where they come in, whoever reads them; an answer that takes too long ends the child,
which is the one thing that ends every kind of waiting.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from huggingface_hub import constants

from wiz_kernel_ext.children.lines import Failed, Line
from wiz_kernel_ext.errors import HubUnreachable, WizError

MAX_BYTES = "wiz_max_bytes"
"""A request's extension: how many bytes its answer may have; `ANY` where the asker counts."""
ANY = float("inf")
MAX_ANSWER_BYTES = 32 << 20
MAX_SIDE_BYTES = 1 << 20
"""Of an error or a redirection, which have a few words."""
MAX_HEADER_BYTES = 64 << 10
_STALLS = 6
_SLOWEST_BYTES_PER_S = 50_000


def guard(answer: Any) -> None:
    """A hook of the HTTP client: bound the answer's headers now, and its body as it is read."""
    n_headers = sum(len(name) + len(value) for name, value in answer.headers.raw)
    if n_headers > MAX_HEADER_BYTES:
        raise misbehaved(f"with {n_headers:,} bytes of headers")
    is_side = answer.status_code >= 300
    asked = answer.request.extensions.get(MAX_BYTES, MAX_ANSWER_BYTES)
    encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity") and asked is not ANY and answer.request.method != "HEAD":
        # Asked for as it is: a few bytes could be unpacked to gigabytes.
        raise misbehaved(f"packed ({encoding[:20]}), which it was asked not to")
    kind = _bounded(type(answer).__module__.partition(".")[0])
    answer.stream = kind(answer.stream, MAX_SIDE_BYTES if is_side else asked)


@contextlib.contextmanager
def in_time(say: Callable[[Line], None], n_bytes: int = 0) -> Iterator[None]:
    """End this process, with an error, where the block takes longer than an answer may.

    `n_bytes` is how much is to come: a slow network has its time.
    """
    longest_s = _STALLS * float(constants.HF_HUB_DOWNLOAD_TIMEOUT) + n_bytes / _SLOWEST_BYTES_PER_S

    def end() -> None:
        say(Failed(misbehaved(f"so slowly that it had no end after {longest_s:.0f} s").info()))
        os._exit(0)

    watch = threading.Timer(longest_s, end)
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        watch.cancel()


def misbehaved(how: str) -> WizError:
    """What to say of an answer that is none: "…/ answered" and how."""
    from wiz_kernel_ext.hub.fetch.failures import ENDPOINT

    return HubUnreachable(
        f"{ENDPOINT} answered {how}: it was given up.",
        hint="Is HF_ENDPOINT a hub's address, and no login page or filter between?",
        endpoint=ENDPOINT,
    )


@cache
def _bounded(package: str) -> Any:
    """The class of bounded streams for answers of a package (httpx, httpx2)."""
    base = sys.modules[package].SyncByteStream

    class Bounded(base):  # type: ignore[misc, valid-type]
        def __init__(self, stream: Any, most: float) -> None:
            self._stream = stream
            self._most = most

        def __iter__(self) -> Iterator[bytes]:
            n, began_s = 0, time.monotonic()
            longest_s = _STALLS * float(constants.HF_HUB_DOWNLOAD_TIMEOUT)
            for piece in self._stream:
                n += len(piece)
                if n > self._most:
                    raise misbehaved(f"with more than {self._most:,} bytes")
                slowest_s = longest_s + n / _SLOWEST_BYTES_PER_S
                if self._most is not ANY and time.monotonic() - began_s > slowest_s:
                    raise misbehaved(f"so slowly that it had no end after {slowest_s:.0f} s")
                yield piece

        def close(self) -> None:
            self._stream.close()

    return Bounded
