"""JupyterLab as a person has it: a server process, and notebooks in a folder."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

import nbformat

from tests.support.homes import Home
from wiz_kernel_ext.client import Client

START_TIMEOUT_S = 60.0
ROOT = Path(__file__).parents[2]


class Lab:
    """A server of `app` ("lab" or "notebook") in a folder of `home`."""

    def __init__(
        self, home: Home, app: str = "lab", variables: Mapping[str, str] | None = None
    ) -> None:
        self.home = home
        self._variables = variables or {}
        self.app = app
        self.folder = home.folder / "notebooks"
        self.client = Client(home.settings)

    def start(self) -> None:
        """Start the server and wait for it."""
        self.folder.mkdir(exist_ok=True)
        jupyter = {
            name: str(self.home.folder / self.app / name) for name in ("config", "data", "run")
        }
        settings = self.home.folder / self.app / "settings" / "@jupyterlab" / "apputils-extension"
        settings.mkdir(parents=True)
        (settings / "notification.jupyterlab-settings").write_text(
            '{"fetchNews": "false", "checkForUpdates": false}'
        )
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("JUPYTER", "JPY"))},
            **self.home.environment,
            **self._variables,
            "HOME": str(self.home.folder),
            "JUPYTER_CONFIG_DIR": jupyter["config"],
            "JUPYTER_DATA_DIR": jupyter["data"],
            "JUPYTER_RUNTIME_DIR": jupyter["run"],
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
            "JUPYTERLAB_SETTINGS_DIR": str(self.home.folder / self.app / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(self.home.folder / self.app / "workspaces"),
        }
        self._log = (self.home.folder / f"{self.app}.log").open("w")
        self._server = subprocess.Popen(
            [sys.executable, "-m", "jupyter", self.app, "--no-browser", "--allow-root", "--port=0",
             "--ServerApp.ip=127.0.0.1", "--IdentityProvider.token=", "--ServerApp.password=",
             f"--ServerApp.root_dir={self.folder}", "--expose-app-in-browser"],
            cwd=self.folder, env=environment, stdout=self._log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.url = self._wait_for_url(Path(jupyter["run"]))

    def _wait_for_url(self, runtime: Path) -> str:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self._server.poll() is None:
            for file in runtime.glob("jpserver-*.json"):
                with contextlib.suppress(OSError, ValueError):
                    url = str(json.loads(file.read_text())["url"])
                    urllib.request.urlopen(url + "api/status", timeout=5).close()
                    return url
            time.sleep(0.1)
        raise AssertionError(self.log())

    def log(self) -> str:
        """What the server said."""
        return (self.home.folder / f"{self.app}.log").read_text()[-4000:]

    def notebook(self, name: str, cells: Sequence[str]) -> str:
        """Write a notebook with code cells; returns its file name."""
        made = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells],
            metadata={
                "kernelspec": {
                    "name": "python3",
                    "display_name": "Python 3 (ipykernel)",
                    "language": "python",
                }
            },
        )
        nbformat.write(made, self.folder / f"{name}.ipynb")
        return f"{name}.ipynb"

    def close(self) -> None:
        """End the server and its kernels."""
        self.client.close()
        self._server.terminate()
        try:
            self._server.wait(10)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()
        self._log.close()
