"""Who is asked for answers that follow a schema; the line is that of `benchmarks.engine`.

A work is `{"asks": [{"text", "schema", "n", "temperature", "seed"}, …]}`, all at once; what comes
back is `{"answers": [{"text", "is_whole", "refusal", "first_s", "n_tokens"}, …], "seconds"}`.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec

from benchmarks.engine.contenders import Kind


def kinds() -> list[Kind]:
    """All there are, also those that are not installed."""
    missing = "" if find_spec("xllamacpp") else "pip install 'wiz-kernel-ext[peers]'"
    return [
        Kind("ours", "ours", _module("ours")),
        Kind("llama-cpp-python", "peer", _module("llama_cpp_python")),
        Kind("xllamacpp", "peer", _module("xllamacpp_server"), missing),
    ]


def _module(name: str) -> list[str]:
    return [sys.executable, "-m", f"benchmarks.constraints.contenders.{name}"]
