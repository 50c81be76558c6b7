"""A home: the places of one service, apart from the user's and from every other test's."""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.support.checked_engine import VERDICT
from wiz_kernel_ext.settings import Settings
from wiz_kernel_ext.transport.endpoints import Places, places

STOP_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Home:
    """A short folder (paths of sockets are short) and the settings that point into it."""

    folder: Path
    settings: Settings

    @classmethod
    def make(
        cls,
        *,
        keep_alive_s: float = 1800.0,
        idle_exit_s: float = 600.0,
        hung_after_s: float = 60.0,
    ) -> Home:
        """A new home; nothing is in it yet."""
        folder = Path(tempfile.mkdtemp(prefix="wz_"))
        if VERDICT.exists():
            (folder / "d").mkdir(mode=0o700)
            shutil.copy(VERDICT, folder / "d")
        return cls(
            folder,
            Settings(
                name=folder.name,
                runtime_dir=folder / "r",
                data_dir=folder / "d",
                keep_alive_s=keep_alive_s,
                idle_exit_s=idle_exit_s,
                hung_after_s=hung_after_s,
            ),
        )

    @property
    def places(self) -> Places:
        """Where everything is."""
        return places(self.settings)

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which any process finds this home."""
        return {
            "WIZ_SERVICE": self.settings.name,
            "WIZ_RUNTIME_DIR": str(self.folder / "r"),
            "WIZ_DATA_DIR": str(self.folder / "d"),
            "WIZ_KEEP_ALIVE_S": str(self.settings.keep_alive_s),
            "WIZ_IDLE_EXIT_S": str(self.settings.idle_exit_s),
            "WIZ_HUNG_AFTER_S": str(self.settings.hung_after_s),
            "IPYTHONDIR": str(self.folder / "ipython"),
        }

    def processes(self) -> list[psutil.Process]:
        """Every living process of this home: they carry its name in their environment."""
        return [process for process in psutil.process_iter() if self._owns(process)]

    def _owns(self, process: psutil.Process) -> bool:
        try:
            name = process.environ().get("WIZ_SERVICE", "")
            # Clients of another protocol may have one for themselves.
            mine = name.partition("-p")[0] == self.settings.name
            ours = any("wiz_kernel_ext." in word for word in process.cmdline())
            return mine and ours and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    def services(self) -> list[psutil.Process]:
        """The service processes."""
        return [p for p in self.processes() if "wiz_kernel_ext.service" in p.cmdline()]

    def workers(self) -> list[psutil.Process]:
        """The worker processes."""
        return [p for p in self.processes() if "wiz_kernel_ext.worker" in p.cmdline()]

    def log(self) -> str:
        """What the service logged."""
        file = self.places.log_file
        return file.read_text(errors="replace") if file.exists() else ""

    def close(self) -> None:
        """Stop what runs here and remove the folder; raises if a process does not end."""
        for service in self.services():
            service.terminate()
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while left := self.processes():
            if time.monotonic() > deadline:
                for process in left:
                    process.kill()
                raise AssertionError(f"left behind: {[p.cmdline() for p in left]}\n{self.log()}")
            time.sleep(0.05)
        shutil.rmtree(self.folder, ignore_errors=True)
