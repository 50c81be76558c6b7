"""What the works of this project alone are given, and a service of their own to ask."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.homes import Home
from wiz_kernel_ext.client import Client


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A model and how often to measure; `is_brief` is only to see that it runs."""

    model: Path
    n_rounds: int
    is_brief: bool


@contextmanager
def asking(home: Home | None = None) -> Iterator[Client]:
    """A client of a service that nobody else uses; it ends with it, unless the home is given."""
    own = home or Home.make()
    client = Client(own.settings)
    try:
        yield client
    finally:
        client.close()
        if home is None:
            own.close()


def greedy(n_tokens: int) -> dict[str, Any]:
    """Options of an answer of so many tokens."""
    return {"temperature": 0, "max_tokens": n_tokens, "allow_repeats": True}
