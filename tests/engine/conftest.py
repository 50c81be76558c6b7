"""Tiny real models, written once per run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.tiny_gguf import write_tiny_gguf


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model with random weights and a ChatML template."""
    return write_tiny_gguf(tmp_path_factory.mktemp("models") / "tiny.gguf")
