"""The last lines the library said: for the log file, and for the reason of a failed load.

Knows llama.cpp's log levels and that a line may come in pieces. Called by `llama.py`.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

DEBUG, INFO, WARNING, ERROR, CONTINUED = 1, 2, 3, 4, 5
N_LINES = 50


class LogTail:
    """Keeps the last `N_LINES` lines and hands whole lines of level `least` and up to `write`."""

    def __init__(self, write: Callable[[str], object], *, least: int = ERROR) -> None:
        self._write = write
        self.least = least
        self.is_muted = False
        """Whether what it says is no news: it calls a step that was broken off a failure."""
        self._lines: deque[tuple[int, str]] = deque(maxlen=N_LINES)
        self._level = INFO
        self._partial = ""
        self._lock = threading.Lock()

    def add(self, level: int, text: str) -> None:
        """Take what the library said, which may be part of a line or several lines."""
        with self._lock:
            if level != CONTINUED:
                self._level = level
            *whole, self._partial = (self._partial + text).split("\n")
            for line in whole:
                if line.strip(" ."):
                    self._keep(line)

    def _keep(self, line: str) -> None:
        if self._level < INFO or self.is_muted:
            return
        self._lines.append((self._level, line))
        if self._level >= self.least:
            self._write(line + "\n")

    def clear(self) -> None:
        """Forget the lines so far, so that what follows is about one load only."""
        with self._lock:
            self._lines.clear()
            self.is_muted = False

    def lines(self) -> list[str]:
        """The last lines, oldest first."""
        with self._lock:
            return [line for _, line in self._lines]

    def reason(self) -> str:
        """The first error line since `clear`, in the library's words, without its function's name.

        The first is the cause; those after it say who gave up because of it.
        """
        with self._lock:
            errors = [line for level, line in self._lines if level == ERROR]
        if not errors:
            return ""
        prefix, separator, rest = errors[0].partition(": ")
        reason = rest if separator and " " not in prefix else errors[0]
        return reason.replace("error loading model: ", "").strip()
