"""Who is asked: this project, a plain loop over the same library, and three others.

Each runs in a process of its own (`process.py`), which answers lines of JSON (`serving.py`), with
its own defaults; threads and the size of the memory are the same for all.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

NODE_FOLDER = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wiz-benchmarks"
NODE_PACKAGE = "node-llama-cpp@3.21.1"
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Kind:
    """A contender: what its process runs and, where something is missing, what would bring it."""

    name: str
    role: Literal["ours", "raw", "peer"]
    command: list[str]
    missing: str = ""
    setup: dict[str, Any] = field(default_factory=dict)


def kinds(*, gpu: bool = False) -> list[Kind]:
    """All there are, also those that are not installed."""
    raw = [
        Kind("raw loop, flash attention", "raw", _module("raw_loop"), setup={"flash": True}),
        Kind("raw loop, plain", "raw", _module("raw_loop"), setup={"flash": False}),
    ]
    node = str(shutil.which("node"))
    return [
        Kind("ours", "ours", _module("ours")),
        *(raw[:1] if gpu else raw),
        Kind("llama-cpp-python", "peer", _module("llama_cpp_python")),
        Kind("xllamacpp", "peer", _module("xllamacpp_server"), _without_xllamacpp()),
        Kind(
            "node-llama-cpp",
            "peer",
            [node, str(HERE / "node_llama_cpp.mjs"), str(NODE_FOLDER)],
            _without_node(),
        ),
    ]


def _module(name: str) -> list[str]:
    return [sys.executable, "-m", f"benchmarks.engine.contenders.{name}"]


def _without_xllamacpp() -> str:
    return "" if find_spec("xllamacpp") else "pip install 'wiz-kernel-ext[peers]'"


def _without_node() -> str:
    if shutil.which("node") is None:
        return "install Node.js, 18 or newer"
    if (NODE_FOLDER / "node_modules" / "node-llama-cpp").is_dir():
        return ""
    return f"npm install --ignore-scripts --prefix {NODE_FOLDER} {NODE_PACKAGE}"
