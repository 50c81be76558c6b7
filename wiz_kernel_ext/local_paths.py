"""Names that are paths where the asker is: the service has another working directory."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


def located(name: str) -> str:
    """The absolute path of `name` if it is a file here, else `name`.

    Links stay as they are named: in a hub's cache the name tells the parts of a model. What can
    only be a path from here ("~/x", "$HOME/x", "./x") is made one, there or not.
    """
    path = absolute(name)
    is_here = str(name).startswith(("~/", "$", "./", "../")) and path.is_absolute()
    return str(path) if is_here or _is(path, Path.is_file) else name


def located_source(name: str) -> str:
    """The same for what may be a folder."""
    path = absolute(name)
    return str(path) if _is(path, Path.exists) else name


def is_checkpoint(name: str) -> bool:
    """Whether `name` is a folder here with a configuration, as checkpoints have one."""
    return _is(absolute(name) / "config.json", Path.is_file)


def absolute(name: str) -> Path:
    """`name` as a path from here, `~` and `$NAME` being expanded unless a file is called that.

    It stays relative where the working directory was deleted.
    """
    # Path's own methods raise for an unknown user, and resolve links.
    if not _is(Path(name), Path.exists):
        name = os.path.expandvars(os.path.expanduser(name))  # noqa: PTH111
    try:
        return Path(os.path.abspath(name))  # noqa: PTH100
    except (OSError, ValueError):
        return Path(name)


def with_absolute_paths(values: dict[str, Any]) -> dict[str, Any]:
    """`values` with absolute paths; a plain name for `output` is for the service to place."""
    made = dict(values)
    if "llama_cpp" in values:
        made["llama_cpp"] = str(absolute(values["llama_cpp"]))
    if values.get("base"):
        made["base"] = located_source(values["base"])
    if len(Path(values.get("output", "")).parts) > 1:
        made["output"] = str(absolute(values["output"]))
    return made


def _is(path: Path, test: Callable[[Path], bool]) -> bool:
    try:
        return test(path)
    except (OSError, ValueError):  # longer than a path may be, or with a NUL in it
        return False
