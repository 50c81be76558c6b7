"""Every test that takes `road` runs three times: in memory, over ipc and over tcp."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.transport.road import Road


@pytest.fixture
def short_dir() -> Iterator[Path]:
    """A directory whose path is short enough for a socket; pytest's own are not."""
    path = Path(tempfile.mkdtemp(prefix="wz"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(params=["memory", "ipc", "tcp"])
async def road(request: pytest.FixtureRequest, short_dir: Path) -> AsyncIterator[Road]:
    road = Road(request.param, short_dir)
    yield road
    await road.close()
