"""A tiny real model and a worker in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.tiny_gguf import write_tiny_gguf
from wiz_kernel_ext.worker.llama_worker import LlamaWorker


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model with random weights and a ChatML template."""
    return write_tiny_gguf(tmp_path_factory.mktemp("models") / "tiny.gguf")


@pytest.fixture
async def worker() -> AsyncIterator[LlamaWorker]:
    """A worker with nothing loaded."""
    worker = await LlamaWorker.create()
    yield worker
    await worker.close()


@pytest.fixture
async def ready(worker: LlamaWorker, tiny_gguf: Path) -> LlamaWorker:
    """A worker with a model and a context, and no session."""
    await worker.load_model(str(tiny_gguf))
    await worker.create_context(context_size=512)
    return worker
