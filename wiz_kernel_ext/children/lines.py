"""What a child process says to its parent: one of these a line, as JSON."""

from __future__ import annotations

import msgspec

from wiz_kernel_ext.errors import ErrorInfo


class Ticked(msgspec.Struct, frozen=True, tag="ticked"):
    """How many bytes are done, of how many."""

    done: int
    total: int | None = None


class Noted(msgspec.Struct, frozen=True, tag="noted"):
    """Something the asker's user should know."""

    text: str


class Done(msgspec.Struct, frozen=True, tag="done"):
    """The end: the result of what was asked for."""

    result: msgspec.Raw


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The end: why there is no result."""

    error: ErrorInfo


Line = Ticked | Noted | Done | Failed
