"""What the tests of every room share: a service of their own, and real kernels to ask it from."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.homes import Home
from wiz_kernel_ext.client import Client


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """Places of its own for one service; at the end it is stopped and nothing of it may be left."""
    home = Home.make()
    for name, value in home.environment.items():
        monkeypatch.setenv(name, value)
    try:
        yield home
    finally:
        home.close()


@pytest.fixture
def client(home: Home) -> Iterator[Client]:
    """A client of the home's service."""
    client = Client()
    yield client
    client.close()
