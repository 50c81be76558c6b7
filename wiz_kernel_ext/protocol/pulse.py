"""A worker's pulse: how much its engine has done so far.

Asked by the service, beside all requests, of a worker that has something to do: one whose pulse
stands still makes no progress, whether or not it answers.
"""

from __future__ import annotations

import msgspec

PULSE = "worker:pulse"
"""No request of anybody's: a worker's bridge answers it, whatever its engine is at."""


class Pulse(msgspec.Struct, frozen=True, array_like=True):
    """`n_done` counts whatever the engine's thread has done, `n_steps` the steps among it."""

    n_done: int
    n_steps: int
