"""The limits of this machine, and the checks that refuse what is beyond them.

Called by the service at every load, context and download; each refusal names limit and file.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import wiz_kernel_ext
from wiz_kernel_ext.errors import LimitExceeded

_DEMO = Path(wiz_kernel_ext.__file__).parent / "demo"
_IN_HUB_CACHE = re.compile(r"/models--([^/]+?)--([^/]+)/snapshots/")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What `WizLimits` says; None, "" and () are no limit. `files` says where each is from."""

    runtime_dir: str = ""
    data_dir: str = ""
    models_dir: str = ""
    max_keep_alive_s: float | None = None
    max_idle_exit_s: float | None = None
    max_memory_gb: float | None = None
    max_snapshots_gb: float | None = None
    max_threads: int | None = None
    max_context_size: int | None = None
    max_sequences: int | None = None
    allowed_models: tuple[str, ...] = ()
    model_dirs: tuple[str, ...] = ()
    hub_endpoint: str = ""
    hub_cache: str = ""
    hub_offline: bool = False
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def max_memory_bytes(self) -> int | None:
        """Memory for all models of one user."""
        return None if self.max_memory_gb is None else int(self.max_memory_gb * 1e9)

    def check_number(self, name: str, asked: float | None, what: str) -> None:
        """Raise LimitExceeded where `asked` is more than the limit `name`; -1 is without end."""
        if asked is not None and self.is_exceeded(name, asked):
            said, most = "without end" if asked < 0 else f"{asked:,.0f}", getattr(self, name)
            raise self.exceeded(name, f"{what}: {said} is more than {most:,.0f}, the most here.")

    def is_exceeded(self, name: str, asked: float | None) -> bool:
        """Whether `asked` is more than the limit `name`; -1 is without end."""
        limit = getattr(self, name)
        if limit is None or limit < 0 or asked is None:
            return False
        return bool(asked > limit or asked < 0)

    def check_model(self, path: Path) -> None:
        """Raise LimitExceeded for a file that may not be loaded here."""
        if path.is_relative_to(_DEMO):
            return
        real = Path(os.path.realpath(path))
        folders = [Path(os.path.realpath(expanded(folder))) for folder in self.model_dirs]
        if folders and not any(real.is_relative_to(folder) for folder in folders):
            raise self.exceeded(
                "model_dirs",
                f"{path} may not be loaded here: models are loaded from "
                f"{', '.join(map(str, folders))} only.",
            )
        repo = _IN_HUB_CACHE.search(path.as_posix())
        names = [str(path), str(real), path.name, *(["/".join(repo.groups())] if repo else [])]
        if not self._allows(names):
            raise self._not_allowed(path.name)

    def check_repo(self, repo: str) -> None:
        """Raise LimitExceeded for a repository that may not be fetched from."""
        if not self._allows([repo]):
            raise self._not_allowed(repo)

    def hub_environment(self) -> dict[str, str]:
        """The variables that make every Hugging Face tool keep to the limits."""
        named = {
            "HF_ENDPOINT": self.hub_endpoint,
            "HF_HUB_CACHE": str(expanded(self.hub_cache)) if self.hub_cache else "",
            "HF_HUB_OFFLINE": "1" if self.hub_offline else "",
        }
        return {name: value for name, value in named.items() if value}

    def exceeded(self, name: str, message: str) -> LimitExceeded:
        """The error for the limit called `name`."""
        file = self.files.get(name, "")
        return LimitExceeded(
            message,
            hint=f"{file} says so (c.WizLimits.{name}): ask who looks after this machine.",
            limit=name,
            file=file,
        )

    def _allows(self, names: list[str]) -> bool:
        patterns = self.allowed_models
        matches = (fnmatch.fnmatchcase(name, pattern) for name in names for pattern in patterns)
        return not patterns or any(matches)

    def _not_allowed(self, name: str) -> LimitExceeded:
        return self.exceeded(
            "allowed_models",
            f"{name} is not allowed here; allowed: {', '.join(self.allowed_models)}.",
        )


NO_LIMITS = Limits()


def no_limits() -> Limits:
    """Nothing is limited."""
    return NO_LIMITS


def expanded(place: str) -> Path:
    """A place with ~ and variables replaced, for one file that is right for every user."""
    return Path(os.path.expandvars(place)).expanduser()


def at_most(seconds: float, limit: float | None) -> float:
    """The shorter of two times, of which each may be without end."""
    if limit is None or limit < 0:
        return seconds
    return limit if seconds < 0 else min(seconds, limit)
