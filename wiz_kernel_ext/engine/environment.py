"""The environment a worker process is started with: how its threads wait for each other.

libgomp reads these once, when it is loaded, so they must be there before. Imports nothing of the
engine; called by whoever starts a worker.
"""

from __future__ import annotations

from collections.abc import Mapping

SPIN_COUNT = "1000"
"""Costs nothing on an idle machine and never collapses on a busy one, where the default (spin for
long) falls to a hundredth of its speed."""


def worker_environment(base: Mapping[str, str]) -> dict[str, str]:
    """`base` with the waiting policy of the engine's threads, unless the user chose one."""
    environment = dict(base)
    if "OMP_WAIT_POLICY" not in base:
        environment.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
    # Where ggml aborts, its own words are to be the log's last lines, not a debugger's.
    environment.setdefault("GGML_NO_BACKTRACE", "1")
    environment["PYTHONUNBUFFERED"] = "1"
    return environment
