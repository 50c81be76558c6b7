"""Results as JSON has them, with Python's names of their fields."""

from __future__ import annotations

from typing import Any

import msgspec


def plain(value: Any) -> Any:
    """`value` as builtins."""
    if isinstance(value, msgspec.Struct):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value
