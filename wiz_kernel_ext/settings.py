"""What can be configured from outside, read once, at the edge.

Every place and time has one environment variable, which the processes of one service inherit, and
one option in Jupyter's configuration.
"""

from __future__ import annotations

import math
import os
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from wiz_kernel_ext.errors import BadRequest

DEFAULT_NAME = "main"
"""One service per user and machine, whatever Python environment asks."""
WITHOUT_END = -1.0


def _seconds(name: str, text: str) -> float:
    try:
        seconds = float(text)
        if math.isnan(seconds) or (seconds < 0 and seconds != WITHOUT_END):
            raise ValueError
    except ValueError:
        raise BadRequest(
            f"{name} is {text!r}, not a number of seconds.",
            hint="Set it to a number (-1: without end), or unset it.",
            field=name,
        ) from None
    return WITHOUT_END if math.isinf(seconds) else seconds


def _gigabytes(name: str, text: str) -> float:
    with suppress(ValueError):
        if (gigabytes := float(text)) >= 0:
            return gigabytes
    raise BadRequest(
        f"{name} is {text!r}, not a number of 10^9 bytes.",
        hint="Set it to a number (0: nothing is kept), or unset it.",
        field=name,
    )


_TIMES = ("keep_alive_s", "idle_exit_s", "start_timeout_s", "drain_timeout_s", "hung_after_s")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where things live and how long they stay; times in seconds, -1 being without end.

    `keep_alive_s` is how long an unused model stays loaded; `idle_exit_s` how long a service with
    nothing loaded, running or asked stays; `start_timeout_s` how long a client waits for one to
    start; `drain_timeout_s` how long one making room for a newer one lets go on what runs;
    `hung_after_s` after how long without any progress a model's process is ended (0 or -1: never).
    `snapshots_gb` bounds what is kept on the disk of what models computed (None: by the disk).
    """

    name: str = DEFAULT_NAME
    runtime_dir: Path | None = None
    data_dir: Path | None = None
    models_dir: Path | None = None
    keep_alive_s: float = 1800.0
    idle_exit_s: float = 600.0
    start_timeout_s: float = 30.0
    drain_timeout_s: float = 20.0
    hung_after_s: float = 60.0
    snapshots_gb: float | None = None

    @property
    def start_wait_s(self) -> float:
        """`start_timeout_s` as a time to wait: infinite for -1."""
        return math.inf if self.start_timeout_s < 0 else self.start_timeout_s

    @property
    def drain_wait_s(self) -> float:
        """`drain_timeout_s` as a time to wait: infinite for -1."""
        return math.inf if self.drain_timeout_s < 0 else self.drain_timeout_s

    @classmethod
    def from_environment(cls) -> Settings:
        """The settings of this process: its `WIZ_*` variables, else Jupyter's configuration.

        Limits that the machine's own configuration sets win over both. Raises BadRequest for a
        variable, ConfigurationError for a file that cannot be taken.
        """
        # Here, since not every process reads files: a worker is told all it needs.
        from wiz_kernel_ext.configuration.limits import at_most, expanded
        from wiz_kernel_ext.configuration.reading import configured_defaults, configured_limits

        env, limits = os.environ, configured_limits()
        values: dict[str, object] = {}
        if name := env.get("WIZ_SERVICE"):
            values["name"] = name
        configured = configured_defaults()
        for key in ("runtime_dir", "data_dir", "models_dir"):
            place = getattr(limits, key) or env.get(f"WIZ_{key.upper()}") or configured.get(key)
            if place:
                values[key] = expanded(place)
        for key in _TIMES:
            if seconds := env.get(f"WIZ_{key.upper()}"):
                values[key] = _seconds(f"WIZ_{key.upper()}", seconds)
            elif (known := configured.get(key)) is not None:
                values[key] = known
        if gigabytes := env.get("WIZ_SNAPSHOTS_GB"):
            values["snapshots_gb"] = _gigabytes("WIZ_SNAPSHOTS_GB", gigabytes)
        elif (known := configured.get("snapshots_gb")) is not None:
            values["snapshots_gb"] = known
        made = cls(**values)  # type: ignore[arg-type]
        return replace(
            made,
            keep_alive_s=at_most(made.keep_alive_s, limits.max_keep_alive_s),
            idle_exit_s=at_most(made.idle_exit_s, limits.max_idle_exit_s),
        )
