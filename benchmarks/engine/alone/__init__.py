"""What only this project does, against itself: each work is a function that returns figures."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.engine.alone import encoding, history, lookup, planning, returning
from benchmarks.engine.alone.setting import Setting
from benchmarks.report import Figure

__all__ = ["WORKS", "Setting"]

WORKS: dict[str, Callable[[Setting], list[Figure]]] = {
    "history": history.run,
    "returning": returning.run,
    "lookup": lookup.run,
    "planning": planning.run,
    "encoding": encoding.run,
}
