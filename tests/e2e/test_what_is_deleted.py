"""`rm`, for real: on a disk that may not be written it says what it did, on every face."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.gguf_bytes import small_model
from tests.support.homes import Home
from tests.support.ordinary_user import ordinary_user
from tests.support.stand_in_hub import Repository, StandInHub
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.errors import NotPermitted

NAME = "acme/mine:Q8_0"


def wiz(home: Home, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `jupyter wiz` to its end."""
    command = [sys.executable, "-m", "wiz_kernel_ext", *arguments]
    environment = {**os.environ, **home.environment}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def cache(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache with a model that may not be deleted, and a service that permissions bind."""
    monkeypatch.setenv("HF_HOME", str(home.folder / "hf"))
    with StandInHub({"acme/mine": Repository({"mine-Q8_0.gguf": small_model()})}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        with ordinary_user():
            # It starts the service, which is bound by permissions as it is.
            assert wiz(home, "pull", NAME).returncode == 0
        folder = home.folder / "hf" / "hub" / "models--acme--mine"
        closed = [folder, *(path for path in folder.rglob("*") if path.is_dir())]
        for path in closed:
            path.chmod(0o555)
        yield folder
        for path in closed:
            path.chmod(0o755)


def test_nothing_is_said_to_be_deleted_that_is_there(
    cache: Path, home: Home, client: Client
) -> None:
    with pytest.raises(NotPermitted, match="Nothing was deleted") as caught:
        client.remove_model(NAME)
    assert caught.value.details["freed_bytes"] == 0
    found = wiz(home, "rm", NAME, "--yes")
    assert found.returncode == 1
    assert "freed" not in found.stdout
    assert "NotPermitted: Nothing was deleted" in found.stderr
    assert "chmod u+w" in found.stderr
    assert NAME in {model.name for model in client.models()}
    assert "Traceback" not in home.log()
