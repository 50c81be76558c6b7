"""The bytes of one file: fetched into a partial file that any later process can go on with.

Breaks of every kind (end of stream, reset, stall, a server that ignores ranges) are met by asking
again from the byte that is missing. Knows no cache layout; `download` says where.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from typing import Any

from huggingface_hub import constants
from huggingface_hub.utils import build_hf_headers, hf_raise_for_status

from wiz_kernel_ext.errors import ChecksumMismatch, DownloadFailed, WizError
from wiz_kernel_ext.hub.fetch.body import read_body
from wiz_kernel_ext.hub.fetch.bounds import ANY, MAX_BYTES
from wiz_kernel_ext.hub.fetch.digest import Digest, is_checksum
from wiz_kernel_ext.hub.fetch.failures import Subject, explain, is_retried, status_of
from wiz_kernel_ext.hub.fetch.flusher import Flusher
from wiz_kernel_ext.hub.fetch.http import is_transport_error, retry_after_s, session
from wiz_kernel_ext.hub.fetch.retry_policy import Retries
from wiz_kernel_ext.hub.fetch.throttle import Throttle

_STEP_BYTES = 1 << 20
_CONNECT_TIMEOUT_S = 10.0
_MAX_IGNORED_RANGES = 5


@dataclass(frozen=True, kw_only=True)
class Remote:
    """A file on the hub at one commit; `url` is its address there, which redirects to the bytes."""

    subject: Subject
    url: str
    etag: str
    size_bytes: int


class _CutShort(Exception):
    """The answer ended before the file did."""


class _RangeIgnored(Exception):
    """The server sent the whole file where the rest was asked for."""


class Transfer:
    """One file on its way; `on_bytes(n)` gets changes of how many bytes are here."""

    def __init__(
        self,
        remote: Remote,
        partial: Path,
        *,
        patience_s: float,
        throttle: Throttle,
        on_bytes: Callable[[int], None],
        on_notice: Callable[[str], None],
    ) -> None:
        self._remote = remote
        self._partial = partial
        self._patience_s = patience_s
        self._throttle = throttle
        self._on_bytes = on_bytes
        self._on_notice = on_notice
        self._have = 0
        self._n_ignored = 0

    def run(self) -> None:
        """Bring the partial file to its full length with the right checksum.

        A wrong one is fetched anew once, then raises ChecksumMismatch and nothing is left.
        """
        for is_last in (False, True):
            found = self._fetch()
            if found == self._remote.etag or not is_checksum(self._remote.etag):
                return
            self._partial.unlink()
            self._count(0)
            if not is_last:
                self._on_notice(
                    f"{self._remote.subject} came damaged (wrong checksum): fetching it again."
                )
        raise ChecksumMismatch(
            f"{self._remote.subject} came damaged twice: its checksum is {found[:12]}…, the hub "
            f"promises {self._remote.etag[:12]}…. Nothing of it was kept.",
            repo=self._remote.subject.repo,
            file=self._remote.subject.file,
            expected=self._remote.etag,
            found=found,
        )

    def _fetch(self) -> str:
        """Fetch what is missing; the checksum of the whole."""
        with (
            self._partial.open("ab+", buffering=0) as file,
            Digest(self._remote.etag, self._size) as digest,
            Flusher(file.fileno()) as flusher,
        ):
            here = os.fstat(file.fileno()).st_size
            if here > self._remote.size_bytes:
                file.truncate(0)
                here = 0
            file.seek(0)
            while self._have < here and (data := file.read(min(_STEP_BYTES, here - self._have))):
                digest.add(data)
                self._count(self._have + len(data))
            retries = Retries(self._patience_s, time.monotonic())
            while self._have < self._remote.size_bytes:
                try:
                    for data in self._body():
                        _write_all(file, data)
                        digest.add(data)
                        flusher.wrote(len(data))
                        self._count(self._have + len(data))
                        retries.progressed(time.monotonic())
                        self._throttle.take(len(data))
                    if self._have < self._remote.size_bytes:
                        raise _CutShort
                except Exception as error:  # noqa: PERF203 - one try is one request
                    self._wait_after(error, retries)
            flusher.finish()
            return digest.result()

    def _body(self) -> Iterator[bytes | memoryview]:
        """The bytes from the first missing one on, as they come."""
        # The address at the hub, not the one it redirects to: signed addresses run out.
        headers = build_hf_headers() | {"Accept-Encoding": "identity"}
        if self._have:
            headers["Range"] = f"bytes={self._have}-"
        stall_s = float(constants.HF_HUB_DOWNLOAD_TIMEOUT)
        timeout = (_CONNECT_TIMEOUT_S, stall_s, stall_s, stall_s)
        with session().stream(
            "GET",
            self._remote.url,
            headers=headers,
            timeout=timeout,
            extensions={MAX_BYTES: ANY},  # those that are missing are counted here
        ) as answer:
            if answer.status_code == 416:
                raise DownloadFailed(
                    f"{self._remote.subject} has not the {self._size:,} bytes the hub says it has.",
                    hint="Tell the repository's owners; another quantization may be whole.",
                )
            if answer.status_code >= 400:
                hf_raise_for_status(answer)
            skip = self._skip(answer)
            missing = self._remote.size_bytes - self._have
            for data in read_body(answer):
                if skip:
                    data, skip = data[skip:], max(skip - len(data), 0)
                if data and missing:
                    yield data[:missing]
                    missing = max(missing - len(data), 0)
                if not missing:
                    return

    def _skip(self, answer: Any) -> int:
        """How many bytes at the answer's beginning are here already."""
        if not self._have:
            return 0
        if answer.status_code == 206:
            start, _, total = answer.headers.get("Content-Range", "").partition("/")
            if start.startswith(f"bytes {self._have}-") and total in ("*", str(self._size)):
                self._n_ignored = 0
                return 0
        # Another server behind the same address may do better; a body once begun costs what it is.
        self._n_ignored += 1
        if self._n_ignored <= _MAX_IGNORED_RANGES or answer.status_code != 200:
            raise _RangeIgnored
        return self._have

    @property
    def _size(self) -> int:
        return self._remote.size_bytes

    def _wait_after(self, error: Exception, retries: Retries) -> None:
        """Wait for the next try; raises what `error` means if there should be none."""
        asked_s = None
        if (response := getattr(error, "response", None)) is not None:
            asked_s = retry_after_s(response.headers)
        passing = isinstance(error, _CutShort | _RangeIgnored) or is_retried(error)
        # The store, not the hub, refuses a signed address that ran out: the next one is fresh.
        passing = passing or (status_of(error) == 403 and "X-Error-Code" not in _headers(error))
        if isinstance(error, _RangeIgnored):
            retries.n_failures = 0
        wait_s = retries.wait_s(time.monotonic(), asked_s) if passing else None
        if status_of(error) == 403 and retries.n_failures > 2:
            wait_s = None
        if wait_s is None:
            raise self._explained(error) from None
        if asked_s:
            self._on_notice(f"The hub asks to wait {asked_s:.0f} s before going on.")
        time.sleep(wait_s)

    def _explained(self, error: Exception) -> WizError:
        if isinstance(error, _CutShort | _RangeIgnored) or is_transport_error(error):
            subject = self._remote.subject
            return DownloadFailed(
                f"{subject} stopped coming: {self._have:,} of {self._size:,} bytes are here, and "
                f"nothing more came for {self._patience_s:.0f} s.",
                repo=subject.repo,
                file=subject.file,
            )
        return explain(error, self._remote.subject)

    def _count(self, have: int) -> None:
        self._on_bytes(have - self._have)
        self._have = have


def _write_all(file: RawIOBase, data: bytes | memoryview) -> None:
    rest = memoryview(data)
    while rest:
        # A disk that fills up takes a part first, and refuses only the next.
        rest = rest[file.write(rest) or 0 :]


def _headers(error: BaseException) -> Any:
    return getattr(getattr(error, "response", None), "headers", {})
