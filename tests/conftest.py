"""What the tests of every room share: a service of their own, and real kernels to ask it from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.homes import Home
from tests.support.tiny_gguf import Shape, write_tiny_gguf
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


@pytest.fixture(scope="module")
def shared_home() -> Iterator[Home]:
    """A home for all tests of a module that neither end its service nor change what others see."""
    home = Home.make()
    try:
        yield home
    finally:
        home.close()


@pytest.fixture
def shared_client(shared_home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A client, and new to it, of a service that the module's tests share."""
    for name, value in shared_home.environment.items():
        monkeypatch.setenv(name, value)
    client = Client()
    yield client
    client.close()


@pytest.fixture(scope="session")
def slow_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random model of 40 M parameters: what it says is noise, but it takes seconds to say it."""
    shape = Shape(
        n_layers=12,
        width=512,
        n_heads=8,
        n_kv_heads=4,
        n_ffn=1536,
        n_vocab=4096,
        n_ctx_train=8192,
        quantization="Q8_0",
    )
    return write_tiny_gguf(tmp_path_factory.mktemp("models") / "slow.gguf", shape)
