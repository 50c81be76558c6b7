"""How deeply a value from outside may be nested: what reads it on its way goes down with it.

A chat template, a JSON writer and the message library each have a limit of their own; the least of
them is some hundreds. Pure.
"""

from __future__ import annotations

from typing import Any

MAX_DEPTH = 100


def is_too_deep(value: Any, limit: int = MAX_DEPTH) -> bool:
    """Whether lists and mappings stand in each other more than `limit` deep."""
    level = [value]
    for _ in range(limit + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list | tuple)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True
