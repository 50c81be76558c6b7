"""The Python environments that a service runs in or is asked from: which of two is the better one.

The environment that ran the service last is kept in a file of its owner's, so that one without an
engine can start the service where there is one.
"""

from __future__ import annotations

import importlib.util
import os
import re
import stat
import sys
from pathlib import Path

import msgspec

import wiz_kernel_ext
from wiz_kernel_ext.errors import PackageGone
from wiz_kernel_ext.folders import changed_at
from wiz_kernel_ext.protocol.codec import PROTOCOL_VERSION
from wiz_kernel_ext.transport.owned_file import read_owned, write_owned


class PythonEnvironment(msgspec.Struct, frozen=True, kw_only=True):
    """An interpreter, the PYTHONPATH it imports this package with, and what it has."""

    executable: str
    python_path: str
    version: str
    protocol: int
    has_engine: bool

    @property
    def rank(self) -> tuple[bool, tuple[object, ...]]:
        """Of two with one protocol, the greater runs the service: an engine first, then newer."""
        return (self.has_engine, version_key(self.version))

    @property
    def is_usable(self) -> bool:
        """Whether its interpreter is still there, and nobody else could have put it there."""
        try:
            status = Path(self.executable).stat()
        except OSError:
            return False
        is_trusted = status.st_uid in (0, os.getuid()) and not status.st_mode & stat.S_IWOTH
        return is_trusted and os.access(self.executable, os.X_OK)


def this_environment() -> PythonEnvironment:
    """The environment of this process."""
    home = Path(wiz_kernel_ext.__file__).parents[1]
    inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    # The service's working directory is "/": relative entries would lead elsewhere.
    paths = [str(home), *(str(Path(path).absolute()) for path in inherited if path)]
    return PythonEnvironment(
        executable=sys.executable,
        python_path=os.pathsep.join(dict.fromkeys(paths)),
        version=wiz_kernel_ext.__version__,
        protocol=PROTOCOL_VERSION,
        has_engine=has_engine(),
    )


def installed_version() -> str:
    """The version of the package as it lies on the disk now, where new processes would find it.

    Raises PackageGone where it was removed since this process began.
    """
    file = Path(wiz_kernel_ext.__file__)
    try:
        text = file.read_text()
    except OSError:
        raise PackageGone(
            f"wiz_kernel_ext is no longer installed in {file.parent.parent}, where this process "
            f"({sys.executable}) has it from.",
            executable=sys.executable,
        ) from None
    found = re.search(r'^__version__ = "(.*)"', text, re.MULTILINE)
    return found[1] if found else ""


class UnusableEngines(msgspec.Struct, frozen=True):
    """Engines that are installed and of no use: what they are known by, for each interpreter."""

    stamps: dict[str, str] = {}


def known_environment(file: Path) -> PythonEnvironment:
    """The environment of this process; without an engine where `file` says it is of no use."""
    own = this_environment()
    known = read_owned(file, UnusableEngines)
    if known is None or known.stamps.get(own.executable, "") != engine_stamp():
        return own
    return msgspec.structs.replace(own, has_engine=False)


def note_engine(file: Path, own: PythonEnvironment) -> None:
    """Keep whether this process's engine, being installed, is of use. Raises ServiceError."""
    known = read_owned(file, UnusableEngines) or UnusableEngines()
    stamps = {name: stamp for name, stamp in known.stamps.items() if name != own.executable}
    if not own.has_engine and (stamp := engine_stamp()):
        stamps[own.executable] = stamp
    if stamps != known.stamps:
        write_owned(file, UnusableEngines(stamps))


def engine_stamp() -> str:
    """What changes when llama-cpp-python is installed anew; empty where there is none."""
    spec = importlib.util.find_spec("llama_cpp")
    if spec is None or spec.origin is None:
        return ""
    places = (Path(spec.origin), Path(spec.origin).parent / "lib")
    return " ".join(f"{place}:{changed_at(place)}" for place in places)


def has_engine() -> bool:
    """Whether llama-cpp-python is installed here; does not import it."""
    return importlib.util.find_spec("llama_cpp") is not None


def version_key(version: str) -> tuple[object, ...]:
    """What orders versions: the numbers, then a release after its pre-releases."""
    numbers, rest = re.fullmatch(r"((?:\d+\.)*\d+|)(.*)", version, re.DOTALL).groups()  # type: ignore[union-attr]
    release = [int(number) for number in numbers.split(".") if number]
    while release and release[-1] == 0:
        release.pop()
    is_early = re.match(r"[._-]?(a|b|c|rc|alpha|beta|pre|preview|dev)", rest) is not None
    return (tuple(release), not is_early, tuple(int(n) for n in re.findall(r"\d+", rest)), rest)


def last_environment(file: Path) -> PythonEnvironment | None:
    """The environment kept in `file`; None if there is none that can be used."""
    kept = read_owned(file, PythonEnvironment)
    return kept if kept is not None and kept.is_usable else None


def keep_environment(file: Path, environment: PythonEnvironment) -> None:
    """Keep the environment that runs the service; one without an engine is not worth keeping.

    Where that one was kept and has lost its engine, it is forgotten. Raises ServiceError.
    """
    if environment.has_engine:
        write_owned(file, environment)
        return
    kept = read_owned(file, PythonEnvironment)
    if kept is not None and kept.executable == environment.executable:
        file.unlink(missing_ok=True)
