"""Names that are paths where the asker is: the service has another working directory."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


def located(name: str) -> str:
    """The absolute path of `name` if it is a file here, else `name`.

    Links stay as they are named: in a hub's cache the name tells the parts of a model.
    """
    path = absolute(name)
    return str(path) if _is(path, Path.is_file) else name


def located_source(name: str) -> str:
    """The same for what may be a folder."""
    path = absolute(name)
    return str(path) if _is(path, Path.exists) else name


def is_checkpoint(name: str) -> bool:
    """Whether `name` is a folder here with a configuration, as checkpoints have one."""
    return _is(absolute(name) / "config.json", Path.is_file)


def absolute(name: str) -> Path:
    """`name` as a path from here."""
    # Path's own methods raise for an unknown user, and resolve links.
    return Path(os.path.abspath(os.path.expanduser(name)))  # noqa: PTH100, PTH111


def with_absolute_paths(values: dict[str, Any]) -> dict[str, Any]:
    """`values` with absolute paths; a plain name for `output` is for the service to place."""
    made = dict(values)
    if "llama_cpp" in values:
        made["llama_cpp"] = str(absolute(values["llama_cpp"]))
    if len(Path(values.get("output", "")).parts) > 1:
        made["output"] = str(absolute(values["output"]))
    return made


def _is(path: Path, test: Callable[[Path], bool]) -> bool:
    try:
        return test(path)
    except (OSError, ValueError):  # longer than a path may be, or with a NUL in it
        return False
