"""The environment an engine is started in: how its threads wait, and which C++ library is first.

libgomp reads these once, when it is loaded, so they must be there before. Imports nothing of the
engine; called by whoever starts a worker, and by an in-process one before it loads the library.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

from wiz_kernel_ext.engine.way import AS_IT_IS, Way

PRELOAD = "LD_PRELOAD"
SYSTEM_CXX = "libstdc++.so.6"
HAS_PRELOAD = sys.platform == "linux"

SPIN_COUNT = "1000"
"""Costs nothing on an idle machine and never collapses on a busy one, where the default (spin for
long) falls to a hundredth of its speed."""


def waiting_policy(base: Mapping[str, str]) -> dict[str, str]:
    """What to set for the engine's threads; nothing where the user chose in `base`."""
    is_chosen = "OMP_WAIT_POLICY" in base or "GOMP_SPINCOUNT" in base
    return {} if is_chosen else {"GOMP_SPINCOUNT": SPIN_COUNT}


def worker_environment(base: Mapping[str, str], way: Way = AS_IT_IS) -> dict[str, str]:
    """`base` as a worker process gets it that uses its engine in that `way`."""
    environment = {**base, **waiting_policy(base)}
    if way.system_cxx:
        # By its bare name: the loader knows where the system has it.
        environment[PRELOAD] = ":".join(filter(None, [SYSTEM_CXX, base.get(PRELOAD, "")]))
    # Where ggml aborts, its own words are to be the log's last lines, not a debugger's.
    environment.setdefault("GGML_NO_BACKTRACE", "1")
    environment["PYTHONUNBUFFERED"] = "1"
    return environment
