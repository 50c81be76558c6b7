"""Bytes as people read them, the same in errors, tables and panels. Pure."""

from __future__ import annotations


def size(n_bytes: float) -> str:
    """1536 as "1.5 KB"; decimal thousands would not match what `ls -h` and top show."""
    for unit in ("B", "KB", "MB", "GB"):
        if n_bytes < 1024:
            return f"{n_bytes:.0f} {unit}" if unit == "B" else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1024
    return f"{n_bytes:.1f} TB"
