"""What the library keeps in its own file, `library.json` in the data directory."""

from __future__ import annotations

import msgspec


class Facts(msgspec.Struct, frozen=True):
    """What a header said, for a file of that size and time of change."""

    size_bytes: int
    changed_at: float
    quant: str = ""
    architecture: str = ""
    n_ctx_train: int = 0
    n_params: int = 0
    problem: str = ""


class Kept(msgspec.Struct):
    """What the library's file holds."""

    aliases: dict[str, str] = {}
    default: str | None = None
    used: dict[str, float] = {}
    facts: dict[str, Facts] = {}
