"""A place of its own for a real service: short paths, and nothing left running at the end.

Processes are told by their environment, so that no other test's are touched.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

import wiz_kernel_ext
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.errors import ServiceError
from wiz_kernel_ext.settings import Settings

GONE_TIMEOUT_S = 10.0


@dataclass
class Place:
    """Where one test's service lives; `environ` leads every process there."""

    folder: Path

    @property
    def settings(self) -> Settings:
        return Settings(
            name="t",
            runtime_dir=self.folder / "r",
            data_dir=self.folder / "d",
            models_dir=self.folder / "m",
        )

    @property
    def environ(self) -> dict[str, str]:
        unset = ("JPY_SESSION_NAME", "JPY_PARENT_PID")
        inherited = {name: value for name, value in os.environ.items() if name not in unset}
        return {
            **inherited,
            "PYTHONPATH": str(Path(wiz_kernel_ext.__file__).parents[1]),
            "IPYTHONDIR": str(self.folder / "i"),
            "WIZ_SERVICE": "t",
            "WIZ_RUNTIME_DIR": str(self.folder / "r"),
            "WIZ_DATA_DIR": str(self.folder / "d"),
            "WIZ_MODELS_DIR": str(self.folder / "m"),
        }

    def processes(self) -> list[psutil.Process]:
        """Every process that lives here, by its environment."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("WIZ_RUNTIME_DIR") == str(self.folder / "r"):
                    found.append(process)
        return found

    def stop(self) -> None:
        """End the service, and check that nothing is left of it."""
        client = Client(self.settings, start=False)
        with contextlib.suppress(ServiceError):
            client.stop()
        client.close()
        deadline = time.monotonic() + GONE_TIMEOUT_S
        while left := self.processes():
            if time.monotonic() > deadline:
                names = [" ".join(process.cmdline()) for process in left]
                for process in left:
                    process.kill()
                raise AssertionError(f"left running: {names}")
            time.sleep(0.05)


@contextlib.contextmanager
def place() -> Iterator[Place]:
    """A place with a short path (sockets have a limit), emptied at the end."""
    folder = Path(tempfile.mkdtemp(prefix="wz-", dir="/tmp"))
    here = Place(folder)
    try:
        yield here
        here.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
