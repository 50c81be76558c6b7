"""The folders of conversations' states on the disk, which workers write into and read from.

A folder is made before a conversation's prompt is passed on, and deleted with the conversation.
Workers make none, so whatever one of them still has in its hands is not written any more. What is
in a folder is `engine/snapshots.py`'s; nothing here fails for the sake of a cache.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from wiz_kernel_ext.configuration.limits import Limits, no_limits
from wiz_kernel_ext.folders import changed_at, entries
from wiz_kernel_ext.transport.introduction import SnapshotPlace
from wiz_kernel_ext.transport.owned_file import make_private

UNUSED_S = 30 * 86_400.0
"""How long the state of a conversation is kept that nobody goes on with."""
_N_TRIES = 3
_MOST_GB = 1e9

log = logging.getLogger(__name__)


class SnapshotFolders:
    """One folder for each conversation, in `folder`; `most_gb` of 10^9 bytes in all (0: none).

    None: what a worker finds right for the disk. Touches the disk: not for an event loop.
    """

    def __init__(
        self,
        folder: Path,
        most_gb: float | None = None,
        limits: Callable[[], Limits] = no_limits,
    ) -> None:
        self._folder = folder
        self._most_gb = most_gb
        self._limits = limits
        self._is_on = True

    def place(self) -> SnapshotPlace | None:
        """Where a worker is to keep states; None where none are kept, and then none are left.

        Raises ConfigurationError.
        """
        given = [gb for gb in (self._most_gb, self._limits().max_snapshots_gb) if gb is not None]
        self._is_on = not given or min(given) > 0
        try:
            if not self._is_on:
                shutil.rmtree(self._folder, ignore_errors=True)
                return None
            make_private(self._folder)
            self._expire()
        except OSError as error:
            log.warning("No conversation's state is kept: %s", error)
            return None
        most_bytes = int(min(*given, _MOST_GB) * 1e9) if given else None
        return SnapshotPlace(folder=str(self._folder), most_bytes=most_bytes)

    def allow(self, session_id: str) -> None:
        """Let the conversation's state be kept."""
        if self._is_on:
            with contextlib.suppress(OSError):
                (self._folder / session_id).mkdir(mode=0o700)

    def forget(self, session_id: str) -> None:
        """Delete the conversation's states; none is written until the next `allow`."""
        folder = self._folder / session_id
        gone = self._folder / f".{session_id}.{secrets.token_hex(4)}"
        with contextlib.suppress(OSError):
            # Renamed first: a worker that is about to write finds no folder, from one moment on.
            folder.rename(gone)
            folder = gone
        for _ in range(_N_TRIES):
            shutil.rmtree(folder, ignore_errors=True)
            if not folder.exists():
                return
        log.warning("%s cannot be deleted", folder)

    def _expire(self) -> None:
        """Delete what was not used for long, and what stayed of what was forgotten."""
        oldest = time.time() - UNUSED_S
        for folder in entries(self._folder):
            if folder.name.startswith("."):
                shutil.rmtree(folder, ignore_errors=True)
                continue
            with contextlib.suppress(OSError):
                for file in entries(folder):
                    if changed_at(file) < oldest:
                        file.unlink()
                if changed_at(folder) < oldest:
                    folder.rmdir()  # if it is empty
