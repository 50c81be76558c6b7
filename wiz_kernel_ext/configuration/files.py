"""Jupyter's configuration files as they lie on the disk, and what they set, each with its file.

The user's paths are Jupyter's: `~/.jupyter`, and what `JUPYTER_CONFIG_PATH` adds. The machine's
are those no user's variable leads to: the environment's `etc/jupyter` and the system's.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from jupyter_core import paths
from traitlets.config.loader import (
    Config,
    JSONFileConfigLoader,
    LazyConfigValue,
    PyFileConfigLoader,
)

from wiz_kernel_ext.errors import ConfigurationError

NAMES = ("jupyter_config", "jupyter_wiz_config")
"""In the order they are read: what comes later wins."""


@dataclass(frozen=True)
class Setting:
    """What one file says of one option."""

    section: str
    name: str
    value: Any
    file: Path


def machine_folders() -> list[Path]:
    """The machine's folders, in the order they are read: the system's own are last, and win."""
    return [Path(folder) for folder in [*paths.ENV_CONFIG_PATH, *paths.SYSTEM_CONFIG_PATH]]


def user_folders() -> list[Path]:
    """The user's folders, in the order they are read."""
    machine = machine_folders()
    found = [Path(folder) for folder in reversed(paths.jupyter_config_path())]
    return [folder for folder in found if folder not in machine]


def settings_in(folders: list[Path]) -> Iterator[Setting]:
    """What the files of `folders` set, those read last at the end; raises ConfigurationError."""
    for folder in folders:
        for file in _files(folder):
            yield from _read(file, file.stat().st_mtime_ns)


def _files(folder: Path) -> list[Path]:
    files = []
    for name in NAMES:
        with contextlib.suppress(OSError):
            files += sorted((folder / f"{name}.d").glob("*.json"))
        files += [folder / f"{name}.json", folder / f"{name}.py"]
    return [file for file in files if _is_file(file)]


def _is_file(file: Path) -> bool:
    try:
        return file.is_file()
    except OSError:  # a folder of somebody else's
        return False


@lru_cache(maxsize=64)
def _read(file: Path, changed_ns: int) -> tuple[Setting, ...]:
    """What `file` sets; `changed_ns` has it read again once it is another."""
    loader = PyFileConfigLoader if file.suffix == ".py" else JSONFileConfigLoader
    try:
        # What a file prints would end up in a cell, or in a script's output.
        with contextlib.redirect_stdout(io.StringIO()):
            config = loader(file.name, path=str(file.parent)).load_config()
    except Exception as error:
        raise ConfigurationError(
            f"{file} cannot be read: {type(error).__name__}: {error}",
            hint="Mend it; until then nothing of it counts, and no model is loaded.",
            file=str(file),
        ) from error
    return tuple(
        Setting(section, name, _plain(value), file)
        for section, values in config.items()
        if isinstance(values, Config)
        for name, value in values.items()
    )


def _plain(value: Any) -> Any:
    return value.get_value([]) if isinstance(value, LazyConfigValue) else value
