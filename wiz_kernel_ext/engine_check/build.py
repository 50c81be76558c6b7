"""Which build of llama.cpp is installed: its libraries, found without loading any of them."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from wiz_kernel_ext.errors import EngineUnusable
from wiz_kernel_ext.folders import files_below, status

DISTRIBUTION = "llama-cpp-python"
_OVERRIDE = "LLAMA_CPP_LIB_PATH"  # llama_cpp's own: a folder to load libraries from instead
_SUFFIXES = (".so", ".dylib", ".dll")
_CARDS = {
    "cuda": "-DGGML_CUDA=on",
    "hip": "-DGGML_HIP=on",
    "vulkan": "-DGGML_VULKAN=on",
    "sycl": "-DGGML_SYCL=on",
    "metal": "-DGGML_METAL=on",
}


@dataclass(frozen=True)
class EngineBuild:
    """The libraries of one build, as (path, bytes, time of change in ns)."""

    folder: Path
    libraries: tuple[tuple[Path, int, int], ...]

    @property
    def version(self) -> str:
        """llama-cpp-python's version; empty where nobody says."""
        from importlib import metadata  # slow to import, and not for the way that is known

        try:
            return metadata.version(DISTRIBUTION)
        except metadata.PackageNotFoundError:
            return ""

    @property
    def stamp(self) -> str:
        """What changes when the libraries do; costs nothing to have."""
        listed = [f"{path}\0{size}\0{changed}" for path, size, changed in self.libraries]
        return hashlib.sha256("\n".join(listed).encode()).hexdigest()[:16]

    def digest(self) -> str:
        """The libraries' content as a hash: the same build anywhere; reads all of them."""
        whole = hashlib.sha256()
        for path, size, _ in self.libraries:
            whole.update(f"{path.relative_to(self.folder)}\0{size}\0".encode())
            with path.open("rb") as file:
                while data := file.read(1 << 20):
                    whole.update(data)
        return whole.hexdigest()[:16]

    def cards(self) -> dict[str, str]:
        """The kinds of card it was built for, each with the CMake argument that asks for it."""
        names = " ".join(path.name for path, _, _ in self.libraries)
        return {kind: argument for kind, argument in _CARDS.items() if f"ggml-{kind}" in names}


def engine_build(environ: Mapping[str, str] = os.environ) -> EngineBuild:
    """The build that `import llama_cpp` would load; raises EngineUnusable if there is none."""
    spec = importlib.util.find_spec("llama_cpp")
    if spec is None or spec.origin is None:
        raise EngineUnusable(
            f"llama-cpp-python, the engine, is not installed for {sys.executable}.",
            hint=f"{sys.executable} -m pip install llama-cpp-python; or load the model from an "
            "environment that has it: all of them share one service.",
        )
    package = Path(spec.origin).parent
    folder = Path(environ[_OVERRIDE]) if environ.get(_OVERRIDE) else package / "lib"
    files = []
    for path in files_below(folder):
        found = status(path)
        if found and (path.suffix in _SUFFIXES or ".so." in path.name):
            files.append((path, found.st_size, found.st_mtime_ns))
    if not files:
        raise EngineUnusable(f"llama-cpp-python is installed, but {folder} has no library of it.")
    return EngineBuild(folder, tuple(files))
