"""The conversation that this process is in, where it is in one: a notebook's kernel says so.

So that a `Client()` made in a cell finds what the magics loaded and said, without an argument.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Fields = Callable[[], dict[str, Any]]

_fields: Fields | None = None


def speak_in(fields: Fields | None) -> None:
    """From now on who names no session means the one that `fields()` opens; None: no one does."""
    global _fields
    _fields = fields


def own_session() -> dict[str, Any] | None:
    """The fields of an `OpenSession` that finds it; None outside a notebook."""
    return None if _fields is None else _fields()
