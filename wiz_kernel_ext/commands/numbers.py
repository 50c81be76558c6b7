"""Numbers as people read them. Pure; used by the terminal's and the notebook's views."""

from __future__ import annotations

import time

from wiz_kernel_ext.sizes import size

__all__ = ["ago", "count", "duration", "shortened", "size"]

LONG_AGO_S = 30 * 86400.0
CLOCK_JITTER_S = 60.0


def duration(time_s: float) -> str:
    """0.042 as "42 ms", 3.21 as "3.2 s", 200 as "3 min", 260,000 as "3 days"."""
    if time_s < 0.1:
        return f"{time_s * 1000:.0f} ms"
    if time_s < 100:
        return f"{time_s:.1f} s"
    if time_s < 7200:
        return f"{time_s / 60:.0f} min"
    return f"{time_s / 3600:.0f} h" if time_s < 172800 else f"{time_s / 86400:.0f} days"


def ago(at: float, now: float) -> str:
    """When `at` was, seen from `now`, both in seconds since the epoch.

    A day of the calendar where it is long ago, or later than now: a clock was set since.
    """
    passed_s = now - at
    if -CLOCK_JITTER_S < passed_s < LONG_AGO_S:
        return f"{duration(max(0.0, passed_s))} ago"
    return f"on {time.strftime('%Y-%m-%d', time.localtime(at))}"


def count(n: int, noun: str) -> str:
    """1 as "1 token", 2 as "2 tokens"."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def shortened(text: str, width: int) -> str:
    """The first line of `text`, at most `width` characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"
