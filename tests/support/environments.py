"""Python environments beside this one: without the engine, or with another version of the package.

They share this one's libraries by links; another version is a copy with the constant changed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

import wiz_kernel_ext
from tests.support.homes import Home

PACKAGE = Path(wiz_kernel_ext.__file__).parent
LIBRARIES = Path(msgspec.__file__).parents[1]
SEEN = """
import json
from wiz_kernel_ext import Client
client = Client()
def seen():
    status = client.status()
    return json.dumps({"pid": status.service.pid, "version": status.service.version,
        "executable": status.service.executable, "database": status.service.database,
        "workers": [worker.pid for worker in status.workers]})
"""


@dataclass(frozen=True)
class Environment:
    """A virtual environment; `start` runs code in it against a home's service."""

    folder: Path

    @property
    def python(self) -> str:
        """Its interpreter."""
        return str(self.folder / "bin" / "python")

    @property
    def package(self) -> Path:
        """Its own copy of the package, where it has one."""
        return self.folder / "copy" / "wiz_kernel_ext"

    def start(self, home: Home, code: str) -> subprocess.Popen[str]:
        """Begin to run `code`, in which `client` is a client and `seen()` what it sees."""
        inherited = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        return subprocess.Popen(
            [self.python, "-c", SEEN + code],
            env={**inherited, **home.environment},
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run_code(self, home: Home, code: str) -> subprocess.CompletedProcess[str]:
        """Run `code` by itself, and have what it printed."""
        inherited = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        return subprocess.run(
            [self.python, "-c", code],
            env={**inherited, **home.environment},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=90,
            check=True,
        )

    def run(self, home: Home, code: str = "") -> Seen:
        """Run `code`, then say what the service is."""
        return finished(self.start(home, code + "\nprint(seen())"))


@dataclass(frozen=True)
class Seen:
    """What a client printed last, all it printed, and what it said on standard error."""

    last: dict[str, Any]
    out: list[str]
    err: str


def finished(process: subprocess.Popen[str]) -> Seen:
    """Wait for a client."""
    out, err = process.communicate(timeout=90)
    assert process.returncode == 0, err
    lines = out.splitlines()
    return Seen(json.loads(lines[-1]), lines[:-1], err)


def make_environment(
    folder: Path, *, engine: bool = True, version: str = "", protocol: int | None = None
) -> Environment:
    """A new environment in `folder`."""
    venv.create(folder, with_pip=False, symlinks=True)
    (site_packages,) = folder.glob("lib/python*/site-packages")
    for entry in LIBRARIES.iterdir():
        is_engine = entry.name.startswith("llama_cpp")
        is_ours = "wiz_kernel_ext" in entry.name or entry.suffix == ".pth"
        if not is_ours and (engine or not is_engine) and not (site_packages / entry.name).exists():
            (site_packages / entry.name).symlink_to(entry)
    found = PACKAGE.parent
    environment = Environment(folder)
    if version or protocol is not None:
        found = folder / "copy"
        shutil.copytree(PACKAGE, environment.package, ignore=shutil.ignore_patterns("__pycache__"))
    if version:
        edit(
            environment.package / "__init__.py", r'__version__ = ".*"', f'__version__ = "{version}"'
        )
    if protocol is not None:
        codec = environment.package / "protocol" / "codec.py"
        edit(codec, r"PROTOCOL_VERSION = \d+", f"PROTOCOL_VERSION = {protocol}")
    (site_packages / "ours.pth").write_text(f"{found}\n")
    return environment


def break_engine(environment: Environment) -> Path:
    """Take a library away that llama.cpp's own needs, as a wheel for CUDA has it without CUDA.

    Returns the library; copied back there, the engine is whole again.
    """
    (site_packages,) = environment.folder.glob("lib/python*/site-packages")
    package = site_packages / "llama_cpp"
    real = package.resolve()
    package.unlink()
    shutil.copytree(real, package)
    for library in package.glob("lib/libggml-cpu.so*"):
        library.unlink()
    return real / "lib"


def edit(file: Path, pattern: str, text: str) -> None:
    """Change the one place in `file` that `pattern` fits."""
    changed, n = re.subn(pattern, text, file.read_text())
    assert n == 1, (file, pattern)
    file.write_text(changed)
