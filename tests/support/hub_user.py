"""Asks for downloads in an environment of its own, and keeps what it is told on the way."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from wiz_kernel_ext.errors import WizError
from wiz_kernel_ext.hub.download import download

TOKEN = "hf_secretsecret"


class HubUser:
    """A user with a cache, an endpoint and perhaps a token."""

    def __init__(self, home: Path, endpoint: str) -> None:
        self.home = home
        self.progress: list[tuple[int, int | None]] = []
        self.notices: list[str] = []
        self.cancelled = asyncio.Event()
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))},
            "HF_HOME": str(home),
            "HF_ENDPOINT": endpoint,
            "HF_HUB_DOWNLOAD_TIMEOUT": "1",
        }

    @property
    def cache(self) -> Path:
        """The cache's folder of the repository the tests use."""
        return self.home / "hub" / "models--wiz--models"

    async def fetch(
        self,
        repo: str = "wiz/models",
        file: str = "dir/large.gguf",
        revision: str | None = None,
        **options: float,
    ) -> str:
        """A download."""
        return await download(
            repo,
            file,
            revision,
            on_progress=lambda done, total: self.progress.append((done, total)),
            on_notice=self.notices.append,
            cancelled=self.cancelled,
            environment=self.environment,
            **options,
        )

    async def failure(
        self,
        repo: str = "wiz/models",
        file: str = "dir/large.gguf",
        revision: str | None = None,
        **options: float,
    ) -> WizError:
        """The error of a download; it names the repository and the file, and says what next."""
        with pytest.raises(WizError) as caught:
            await self.fetch(repo, file, revision, **{"patience_s": 1.0, **options})
        error = caught.value
        assert repo in error.message and file in error.message and error.hint
        assert TOKEN not in f"{error.info()}" and "signature" not in f"{error.info()}"
        # Nothing looks whole that is not.
        assert not [path for path in self.home.rglob("*.gguf") if path.exists()]
        return error

    def unfinished(self) -> list[Path]:
        """The partial files."""
        return list(self.home.rglob("*.incomplete"))

    def size_bytes(self) -> int:
        """The bytes of all files there are in the cache."""
        files = (p for p in self.home.rglob("*") if p.is_file() and not p.is_symlink())
        return sum(path.stat().st_size for path in files)

    async def until_begun(self, n_bytes: int = 1) -> None:
        """Wait until a partial file has so many bytes."""
        await until(lambda: any(p.stat().st_size >= n_bytes for p in self.unfinished()))


def content(path: str | Path) -> bytes:
    """A file's bytes."""
    return Path(path).read_bytes()


def is_link(path: str) -> bool:
    """Whether a file is only linked."""
    return Path(path).is_symlink()


def names_below(folder: Path) -> list[str]:
    """The names of everything in a folder."""
    return [path.name for path in folder.rglob("*")]


def children() -> list[psutil.Process]:
    """The living children of this process."""
    return [c for c in psutil.Process().children() if c.status() != psutil.STATUS_ZOMBIE]


async def until(condition: Callable[[], bool], timeout_s: float = 30.0) -> None:
    """Wait for something to become true."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "waited in vain"
        await asyncio.sleep(0.01)
