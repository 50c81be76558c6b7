"""What a stand-in hub holds, what can befall a transfer from it, and what it was asked."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Literal

FaultKind = Literal["fin", "rst", "stall", "ignore range", "corrupt", "refuse"]
_digests: dict[int, str] = {}


@dataclass
class Repository:
    """Files of one commit, by path; a `token` is needed if one is set, `gated` refuses even so.

    `facts` are fields of the hub's answers about it. `claims` are headers that lie about a file.
    """

    files: dict[str, bytes]
    token: str | None = None
    gated: bool = False
    branches: tuple[str, ...] = ("main",)
    facts: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def commit(self) -> str:
        """The commit's id: 40 hexadecimal digits made of what is in it."""
        parts = (f"{name}:{digest(data)}" for name, data in self.files.items())
        return hashlib.sha1("\n".join(sorted(parts)).encode()).hexdigest()


@dataclass(frozen=True)
class Fault:
    """What happens to one transfer, after so many of its bytes."""

    kind: FaultKind
    after_bytes: int = 0


@dataclass(frozen=True)
class Asked:
    """One request: to which origin ("hub" or "store"), what, and with which credentials."""

    origin: str
    method: str
    path: str
    range: str | None
    authorization: str | None


def digest(data: bytes) -> str:
    """The sha256 of a file's bytes, computed once."""
    if id(data) not in _digests:
        _digests[id(data)] = hashlib.sha256(data).hexdigest()
        _kept.append(data)
    return _digests[id(data)]


_kept: list[bytes] = []
"""What is remembered by its id must stay alive."""
