"""Images asked about through a worker: with a projector, without one, with a wrong one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.support.multimodal import needs_images
from tests.support.tiny_projector import N_PIECES, png, write_tiny_projector
from wiz_kernel_ext.engine.images import Part, Projector
from wiz_kernel_ext.errors import BadRequest, ContextOverflow, ModelLoadFailed, NotSupported
from wiz_kernel_ext.worker.llama_worker import LlamaWorker
from wiz_kernel_ext.worker.projector import ImageReader

GREEDY = {"temperature": 0, "max_tokens": 8}


class CountingProjector(Projector):
    """Makes one piece of an image, and counts."""

    identity = "counting"

    def __init__(self) -> None:
        self.n_encoded = 0
        self.closed = False

    def encode(self, image: bytes) -> list[Part]:
        self.n_encoded += 1
        return [np.zeros((1, 4), np.float32)]

    def close(self) -> None:
        self.closed = True


async def begin(worker: LlamaWorker, model: Path, **options: object) -> None:
    await worker.load_model(str(model), **options)
    await worker.create_context(context_size=256)
    await worker.initialize_session()


def test_an_image_is_computed_once_while_it_is_kept() -> None:
    projector = CountingProjector()
    reader = ImageReader(projector, most_bytes=32)
    assert reader.read(png(1)) is reader.read(png(1))
    for seed in (2, 3):
        reader.read(png(seed))
    assert projector.n_encoded == 3
    reader.read(png(1))
    assert projector.n_encoded == 4
    reader.close()
    assert projector.closed


def test_what_is_no_picture_does_not_reach_the_library() -> None:
    projector = CountingProjector()
    with pytest.raises(BadRequest, match="no PNG"):
        ImageReader(projector).read(b"RIFF....WAVE")
    assert not projector.n_encoded


async def test_without_a_projector_an_image_is_refused(
    worker: LlamaWorker, tiny_gguf: Path
) -> None:
    await begin(worker, tiny_gguf)
    with pytest.raises(NotSupported, match="without a projector"):
        await worker.prompt("What is this?", images=[png(1)])
    assert isinstance(await worker.prompt("And without?", **GREEDY), str)


@needs_images
async def test_a_conversation_about_an_image_goes_on_from_its_cells(
    worker: LlamaWorker, tiny_gguf: Path, tmp_path: Path
) -> None:
    path = write_tiny_projector(tmp_path / "mmproj.gguf", 64)
    picture = tmp_path / "a.png"
    picture.write_bytes(png(1))
    await begin(worker, tiny_gguf, projector=path)
    first = await worker.prompt("What is this?", images=[picture], **GREEDY)
    second = await worker.prompt("And why?", **GREEDY)
    assert first.usage.n_prompt_tokens > N_PIECES
    assert second.usage.n_cached_tokens >= first.usage.n_prompt_tokens
    other = await worker.prompt("What is this?", images=png(2), messages=[], **GREEDY)
    same = await worker.prompt("What is this?", images=png(1), messages=[], **GREEDY)
    assert same == first
    assert other != first
    with pytest.raises(ContextOverflow):
        await worker.prompt("Too many", images=[png(n) for n in range(16)], **GREEDY)
    info = await worker.load_model(str(tiny_gguf))
    assert info.projector == str(path)


@needs_images
async def test_a_projector_of_another_model_is_refused_and_the_model_stays(
    worker: LlamaWorker, tiny_gguf: Path, tmp_path: Path
) -> None:
    path = write_tiny_projector(tmp_path / "mmproj.gguf", 128)
    with pytest.raises(ModelLoadFailed, match="cannot load the projector"):
        await worker.load_model(str(tiny_gguf), projector=path)
    await worker.create_context()
    await worker.initialize_session()
    with pytest.raises(NotSupported):
        await worker.prompt("What is this?", images=png(1))
