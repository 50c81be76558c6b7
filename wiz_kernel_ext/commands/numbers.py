"""Numbers as people read them. Pure; used by the terminal's and the notebook's views."""

from __future__ import annotations

from wiz_kernel_ext.sizes import size

__all__ = ["count", "duration", "shortened", "size"]


def duration(time_s: float) -> str:
    """0.042 as "42 ms", 3.21 as "3.2 s", 200 as "3 min"."""
    if time_s < 0.1:
        return f"{time_s * 1000:.0f} ms"
    if time_s < 100:
        return f"{time_s:.1f} s"
    return f"{time_s / 60:.0f} min" if time_s < 7200 else f"{time_s / 3600:.0f} h"


def count(n: int, noun: str) -> str:
    """1 as "1 token", 2 as "2 tokens"."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def shortened(text: str, width: int) -> str:
    """The first line of `text`, at most `width` characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"
