"""How llama-cpp-python is built: by pip, from source, in one of three recipes.

Standard library only, and nothing of this package: `scripts/install.py` runs it before anything is
installed. `rebuild.py` runs it later, where a build turned out not to work.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

WHOLE_STORES = ("-fno-dse", "-fno-tree-dse")
"""GCC up to 12 takes the tile configuration that `_tile_loadconfig` reads for 8 of its 64 bytes and
drops stores to the others as dead; the processor refuses what is left, with SIGSEGV or SIGILL.
(ggml-org/llama.cpp#20824; `tests/engine_check/test_tile_configuration.py` reads it in a listing)"""
NO_AMX = ("-mno-amx-tile", "-mno-amx-int8", "-mno-amx-bf16")
HEARTBEAT_S = 15.0
N_LOG_LINES = 25
_STEP = re.compile(r"\[(\d+)/(\d+)\]")
_BUILDS = re.compile(r"Building wheel for llama[-_]cpp[-_]python", re.IGNORECASE)

Say = Callable[[str], object]


@dataclass(frozen=True)
class Recipe:
    """Flags for both compilers and arguments for CMake; `about` goes on after "built"."""

    about: str
    flags: tuple[str, ...] = WHOLE_STORES
    cmake: tuple[str, ...] = ()


RECIPES = (
    Recipe("for this processor"),
    Recipe("for this processor without AMX", (*WHOLE_STORES, *NO_AMX)),
    Recipe("for any processor with AVX2", (*WHOLE_STORES, *NO_AMX), ("-DGGML_NATIVE=OFF",)),
)
"""The fastest first."""


class BuildFailed(Exception):
    """pip did not come to its end; the message has its last lines."""


def environment(
    recipe: Recipe, base: Mapping[str, str], *, cmake: Sequence[str] = ()
) -> dict[str, str]:
    """`base` with what makes pip build by `recipe`; what is set in it stays and goes first.

    CFLAGS and CXXFLAGS carry the flags: a CMAKE_C_FLAGS of the user's own replaces them.
    """
    made = dict(base)
    for variable, compiler in (
        ("CFLAGS", base.get("CC") or "cc"),
        ("CXXFLAGS", base.get("CXX") or "c++"),
    ):
        accepted = [flag for flag in recipe.flags if _accepts(compiler, flag)]
        made[variable] = " ".join(filter(None, [base.get(variable, ""), *accepted]))
    # The multimodal library is not used here, and half of the build time.
    arguments = ["-DLLAVA_BUILD=OFF", *cmake, base.get("CMAKE_ARGS", ""), *recipe.cmake]
    made["CMAKE_ARGS"] = " ".join(filter(None, arguments))
    made.setdefault("CMAKE_BUILD_PARALLEL_LEVEL", str(os.cpu_count() or 1))
    return made


def install(
    arguments: Sequence[str],
    recipe: Recipe,
    *,
    cmake: Sequence[str] = (),
    say: Say = print,
) -> bool:
    """Run `pip install` for this Python; whether llama-cpp-python was built by it, not found built.

    Says what it does about every quarter of a minute. Raises BuildFailed.
    """
    made = environment(recipe, os.environ, cmake=cmake)
    command = [sys.executable, "-m", "pip", "install", "--progress-bar", "off", "-v", *arguments]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env=made, stdout=log, stderr=subprocess.STDOUT)
        started_at = time.monotonic()
        try:
            while process.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(HEARTBEAT_S)
                if process.returncode is None:
                    said = _read(log)
                    say(f"installing: {time.monotonic() - started_at:.0f} s{_progress(said)}")
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        said = _read(log)
    if process.returncode != 0:
        lines = [line for line in said.splitlines() if line.strip()]
        raise BuildFailed("\n".join(lines[-N_LOG_LINES:]))
    return bool(_BUILDS.search(said))


def forget_cached(distribution: str) -> None:
    """Remove the wheels of `distribution` that pip built earlier and keeps."""
    pattern = distribution.replace("-", "_") + "-*"
    # Where pip has no cache, or no such wheel in it, it complains: as good.
    subprocess.run(
        [sys.executable, "-m", "pip", "cache", "remove", pattern], capture_output=True, check=False
    )


def _read(log: IO[bytes]) -> str:
    # By its own position: the child writes with the same file, and shares ours.
    return os.pread(log.fileno(), os.fstat(log.fileno()).st_size, 0).decode("utf-8", "replace")


def _progress(said: str) -> str:
    """How far the compiler is, by the last step that was named."""
    if not _BUILDS.search(said):
        return ""
    steps = _STEP.findall(said)
    return f" · compiling {steps[-1][0]} of {steps[-1][1]}" if steps else " · building llama.cpp"


def _accepts(compiler: str, flag: str) -> bool:
    """Whether `compiler` knows `flag`: other compilers, and older ones, have other flags."""
    words = compiler.split()
    if not words or shutil.which(words[0]) is None:
        return False
    if flag in NO_AMX and platform.machine() not in ("x86_64", "AMD64"):
        return False
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "empty.c")
        source.write_text("")
        done = subprocess.run(
            [*words, "-Werror", flag, "-c", str(source), "-o", str(source.with_suffix(".o"))],
            capture_output=True,
            check=False,
        )
    return done.returncode == 0
