"""Whether this package and what it needs are installed as they should be."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import wiz_kernel_ext
from wiz_kernel_ext.doctor.finding import Around, Finding
from wiz_kernel_ext.errors import PackageGone
from wiz_kernel_ext.transport.python_environment import installed_version, version_key

DISTRIBUTION = "wiz-kernel-ext"
_REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)\s*(?:\[[^]]*\])?\s*\(?([^;)]*)\)?\s*(;.*)?$")
_CONDITION = re.compile(r"^(>=|<=|==|!=|<|>|~=)\s*([^\s,]+)$")


def package(around: Around) -> Iterator[Finding]:
    """This package: where it is, and whether it is one and the same everywhere."""
    version, folder = wiz_kernel_ext.__version__, Path(wiz_kernel_ext.__file__).parent
    text = f"wiz_kernel_ext {version} in {folder}; Python {platform.python_version()}"
    again = f"{sys.executable} -m pip install --force-reinstall --no-deps {DISTRIBUTION}"
    try:
        on_disk, noted = installed_version(), metadata.version(DISTRIBUTION)
    except PackageGone as error:
        yield Finding(about="package", state="must", text=error.message, remedy=again)
        return
    except metadata.PackageNotFoundError:
        note = f"{text}; not installed by pip, so its terminal command may be missing"
        yield Finding(about="package", state="note", text=note, remedy=again)
        return
    if version_key(noted) != version_key(on_disk):
        yield Finding(
            about="package",
            state="must",
            text=f"{text}; pip has version {noted} noted: two installations lie over each other",
            remedy=again,
        )
        return
    yield Finding(about="package", text=text)


def libraries(around: Around) -> Iterator[Finding]:
    """What the package needs, each in a version it can use."""
    try:
        required = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return
    there, wrong = [], []
    for requirement in required:
        found = _REQUIREMENT.match(requirement)
        if found is None or "extra" in (found[3] or ""):
            continue
        name, conditions = found[1], found[2].strip()
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            if name.lower().replace("_", "-") != "llama-cpp-python":  # `engine` tells of that
                wrong.append(f"{name} is missing")
            continue
        there.append(f"{name} {version}")
        if not fits(version, conditions):
            wrong.append(f"{name} {version} is not {conditions}")
    if wrong:
        yield Finding(
            about="libraries",
            state="must",
            text="; ".join(wrong),
            remedy=f"{sys.executable} -m pip install -U {DISTRIBUTION}",
        )
    else:
        yield Finding(about="libraries", text=", ".join(there))


def command(around: Around) -> Iterator[Finding]:
    """Whether `jupyter wiz` leads to this installation."""
    beside = Path(sys.executable).parent / "jupyter-wiz"
    found = shutil.which("jupyter-wiz", path=around.environment.get("PATH"))
    instead = f"{sys.executable} -m wiz_kernel_ext"
    if found is None:
        yield Finding(
            about="command",
            state="note",
            text="`jupyter wiz` is not on the PATH",
            remedy=f"Use {instead}, or add {beside.parent} to PATH.",
        )
    elif os.path.realpath(found) != os.path.realpath(beside) and beside.exists():
        yield Finding(
            about="command",
            state="note",
            text=f"`jupyter wiz` is {found}, of another environment than this one",
            remedy=f"Use {instead} for this one.",
        )
    else:
        yield Finding(about="command", text=found)


def fits(version: str, conditions: str) -> bool:
    """Whether `version` keeps to conditions as pip writes them; unknown ones are taken for kept."""
    here = version_key(version)[:2]
    for condition in filter(None, (part.strip() for part in conditions.split(","))):
        known = _CONDITION.match(condition)
        if known is None:
            continue
        there = version_key(known[2].removesuffix(".*"))[:2]
        kept = {
            ">=": here >= there,
            ">": here > there,
            "<=": here <= there,
            "<": here < there,
            "!=": here != there,
        }
        if not kept.get(known[1], True):
            return False
    return True
