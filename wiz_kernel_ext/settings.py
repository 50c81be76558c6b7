"""What can be configured from outside, read once, at the edge.

Every place and time has one environment variable; the processes of one service inherit them.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

from wiz_kernel_ext.errors import BadRequest

DEFAULT_NAME = "main"
"""One service per user and machine, whatever Python environment asks."""


def _seconds(name: str, text: str) -> float:
    try:
        seconds = float(text)
        if math.isnan(seconds):
            raise ValueError
        return seconds
    except ValueError:
        raise BadRequest(
            f"{name} is {text!r}, not a number of seconds.",
            hint="Set it to a number (-1 keeps a model for good), or unset it.",
            field=name,
        ) from None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where things live and how long they stay; times in seconds.

    `keep_alive_s` is how long an unused model stays loaded (-1: for good); `idle_exit_s` how long a
    service with nothing loaded, running or connected stays; `drain_timeout_s` how long one making
    room for a newer one lets go on what runs.
    """

    name: str = DEFAULT_NAME
    runtime_dir: Path | None = None
    data_dir: Path | None = None
    models_dir: Path | None = None
    keep_alive_s: float = 1800.0
    idle_exit_s: float = 600.0
    start_timeout_s: float = 30.0
    drain_timeout_s: float = 20.0

    @classmethod
    def from_environment(cls) -> Settings:
        """The settings of this process; `WIZ_*` variables win over the defaults."""
        env = os.environ
        values: dict[str, object] = {}
        if name := env.get("WIZ_SERVICE"):
            values["name"] = name
        for key in ("runtime_dir", "data_dir", "models_dir"):
            if place := env.get(f"WIZ_{key.upper()}"):
                values[key] = Path(place).expanduser()
        for key in ("keep_alive_s", "idle_exit_s", "start_timeout_s", "drain_timeout_s"):
            if seconds := env.get(f"WIZ_{key.upper()}"):
                values[key] = _seconds(f"WIZ_{key.upper()}", seconds)
        return cls(**values)  # type: ignore[arg-type]
