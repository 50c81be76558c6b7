"""Whether an answer has run away: the same lines over and over, or the marks of turns as text.

A small model that has lost its way would otherwise write until its context is full, for minutes.
Pure: text in, a reason out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

REPEATS = 10
"""So many times in a row is no longer an answer."""
MARKERS = 3
LONGEST_CYCLE = 4
"""Lines that may take turns and still be the same over and over."""
_MAX_LINE = 2000


class Runaway:
    """Reads an answer as it grows; `markers` are texts that stand between a template's turns."""

    def __init__(self, markers: Sequence[str] = ()) -> None:
        self._markers = tuple(markers)
        self._longest = max((len(marker) for marker in markers), default=1)
        self._n_markers = 0
        self._tail = ""
        self._line = ""
        self._lines: deque[str] = deque(maxlen=REPEATS * LONGEST_CYCLE)

    def push(self, text: str) -> str | None:
        """Take more text; returns what is wrong once it has run away, in words."""
        if not text:
            return None
        if self._markers and self._has_markers(text):
            return "it wrote the marks of turns as text"
        *ended, self._line = (self._line + text).split("\n")
        self._line = self._line[-_MAX_LINE:]
        for line in ended:
            if line.strip():
                self._lines.append(line.rstrip())
                if self._repeats():
                    return f"it said the same {REPEATS} times in a row"
        return None

    def _has_markers(self, text: str) -> bool:
        whole = self._tail + text
        at = 0
        while found := [(i, m) for m in self._markers if (i := whole.find(m, at)) >= 0]:
            start, marker = min(found)
            at = start + len(marker)
            self._n_markers += 1
        self._tail = whole[max(at, len(whole) - self._longest + 1) :]
        return self._n_markers >= MARKERS

    def _repeats(self) -> bool:
        lines = list(self._lines)
        for n in range(1, LONGEST_CYCLE + 1):
            last = lines[-n * REPEATS :]
            if len(last) == n * REPEATS and last[n:] == last[:-n]:
                return True
        return False
