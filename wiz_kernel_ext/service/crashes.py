"""Which models' processes died, and where: so that a crash that repeats is told as such.

A model that died twice at the same place in the same way is not loaded a third time by itself.
Pure; kept by the supervisor for the service's life.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wiz_kernel_ext.errors import CrashRepeated

Stage = Literal["start", "load", "context", "prompt", "embed"]

_WHAT_ELSE = (
    "`wiz doctor` tries the engine itself; if that is right, take less context (`--ctx N`), "
    "another quantization or another model."
)
REPEATED_HINT = f"Once more would end the same way. {_WHAT_ELSE}"
_DOING = {
    "start": "as it started",
    "load": "as it loaded",
    "context": "as its context was made",
    "prompt": "as it answered a prompt",
    "embed": "as it made vectors of texts",
}


@dataclass(frozen=True)
class Crash:
    """A death at work: what it was doing, and how it ended, as `describe_exit` says it.

    `advice` is what to do about it, where that is known.
    """

    stage: Stage
    cause: str
    advice: str = ""

    @property
    def doing(self) -> str:
        """What it was doing, in words."""
        return _DOING[self.stage]


OnCrash = Callable[[Crash], bool]
"""Told of a crash; whether it repeats the one before."""


def nothing_known(crash: Crash) -> bool:
    """There is no history to repeat."""
    return False


class Crashes:
    """The last crash of each model and how often it came in a row."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[Crash, int]] = {}

    def note(self, key: str, crash: Crash) -> bool:
        """The model `key` crashed; whether just like the last time."""
        last, n = self._rows.get(key, (None, 0))
        self._rows[key] = (crash, n + 1 if crash == last else 1)
        return crash == last

    def forget(self, key: str) -> None:
        """The model has answered: whatever it was is over."""
        self._rows.pop(key, None)

    def refuse_repeated(self, key: str, path: Path) -> None:
        """Raise CrashRepeated where the model crashed twice alike and nobody asks to load it."""
        crash, n = self._rows.get(key, (None, 0))
        if crash is None or n < 2:
            return
        raise CrashRepeated(
            f"{path.name} is not loaded once more by itself: {n} times in a row its process "
            f"{crash.cause}, {crash.doing}.",
            hint=f"{crash.advice or _WHAT_ELSE} `wiz load {shlex.quote(str(path))}` tries it all "
            "the same.",
            cause=crash.cause,
            stage=crash.stage,
            model_path=str(path),
        )
