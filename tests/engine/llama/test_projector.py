"""Images on the real library: a tiny projector beside a tiny model, alone, in company, cached."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.support.multimodal import needs_images
from tests.support.tiny_projector import N_PIECES, png, write_tiny_projector
from wiz_kernel_ext.engine.backend import (
    Aborted,
    Batch,
    Context,
    ContextParameters,
    LibraryRefused,
    LoadParameters,
    Model,
    NoRoom,
)
from wiz_kernel_ext.engine.chat.encoder import ChatEncoder
from wiz_kernel_ext.engine.engine import Engine
from wiz_kernel_ext.engine.images import Projector, ReadImage, image_of
from wiz_kernel_ext.engine.llama.backend import LlamaBackend
from wiz_kernel_ext.engine.sequence import Listener
from wiz_kernel_ext.errors import BadRequest, NotSupported, WizError
from wiz_kernel_ext.protocol.messages import ChatMessage
from wiz_kernel_ext.protocol.options import PromptOptions
from wiz_kernel_ext.protocol.results import AnswerInfo

WIDTH = 64
GREEDY = PromptOptions(temperature=0, max_tokens=12, logit_bias={"<|im_end|>": -1000.0})


@pytest.fixture(scope="module")
def model(tiny_gguf: Path) -> Iterator[Model]:
    model = LlamaBackend().load(str(tiny_gguf), LoadParameters(), lambda _: True)
    yield model
    model.close()


@pytest.fixture(scope="module")
def projector(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Projector]:
    path = write_tiny_projector(tmp_path_factory.mktemp("projector") / "mmproj.gguf", WIDTH)
    projector = model.open_projector(str(path), "tiny", threads=1, gpu=False)
    yield projector
    projector.close()


def reading(projector: Projector) -> ReadImage:
    return lambda data: image_of(projector.encode(data), projector.identity, data)


def ask(text: str, *seeds: int) -> ChatMessage:
    """A question about random pictures."""
    return ChatMessage(role="user", content=text, images=[png(seed) for seed in seeds])


def context_of(model: Model, *, pool: int = 1024, batch: int = 64) -> Context:
    return model.create_context(
        ContextParameters(
            pool_size=pool, sequence_ids=8, batch_size=batch, threads=1, kv_type="f32"
        )
    )


class Asked:
    """An engine on the real model, whose cells are F32 so that rounding decides nothing."""

    def __init__(self, model: Model, projector: Projector, *, batch: int = 64) -> None:
        self.read = reading(projector)
        self.chat = ChatEncoder(model)
        self.context = context_of(model, batch=batch)
        self.engine = Engine(
            model,
            self.context,
            context_size=512,
            slots=4,
            sequence_ids=8,
            batch_size=batch,
            seed=None,
            clock=time.monotonic,
        )

    def answers(self, *prompts: ChatMessage) -> list[AnswerInfo]:
        ends: list[list[AnswerInfo | WizError]] = []
        for prompt in prompts:
            prompt_read = self.chat.prompt([prompt], read=self.read)
            tokens, rows = prompt_read.tokens, prompt_read.images
            ends.append([])
            listener = Listener(on_event=lambda _: None, on_end=ends[-1].append)
            self.engine.submit(tokens, GREEDY, listener, images=rows)
        while self.engine.is_busy:
            self.engine.step()
        infos = [end for (end,) in ends]
        return [info for info in infos if isinstance(info, AnswerInfo)]

    def close(self) -> None:
        self.engine.close()
        self.context.close()


def last_logprobs(model: Model, projector: Projector, seed: int) -> list[float]:
    """How likely each token is after a picture and a text, computed in one step."""
    context, batch = context_of(model, batch=128), Batch()
    encoder, read = ChatEncoder(model), reading(projector)
    prompt_read = encoder.prompt([ask("what is it?", seed)], read=read)
    tokens, rows = prompt_read.tokens, prompt_read.images
    (row,) = batch.add(0, 0, tokens, n_outputs=1, images=rows)
    context.decode(batch)
    found = context.logprobs(row).tolist()
    context.close()
    return list(found)


@needs_images
def test_the_same_image_is_the_same_pieces_and_another_is_not(projector: Projector) -> None:
    read = reading(projector)
    one, same, other = read(png(1)), read(png(1)), read(png(2))
    assert len(one.rows) == N_PIECES
    assert one.ids == same.ids
    assert np.array_equal(one.rows, same.rows)
    assert not set(one.ids) & set(other.ids)
    assert not np.array_equal(one.rows, other.rows)


@needs_images
def test_what_follows_depends_on_what_is_in_the_image(model: Model, projector: Projector) -> None:
    one, same, other = (last_logprobs(model, projector, seed) for seed in (1, 1, 2))
    assert one == same
    assert np.abs(np.subtract(one, other)).max() > 0.1


@needs_images
def test_an_image_whose_pieces_are_known_is_not_computed_again(
    model: Model, projector: Projector
) -> None:
    asked, text = Asked(model, projector), "what is it, and what is it for?"
    (first,) = asked.answers(ask(text, 1))
    (again,) = asked.answers(ask(text, 1))
    (else_,) = asked.answers(ask(text, 2))
    assert first.usage.n_cached_tokens == 0
    assert again.usage.n_cached_tokens == again.usage.n_prompt_tokens - 1 > N_PIECES
    assert else_.usage.n_cached_tokens < N_PIECES
    assert again.text == first.text
    assert else_.text != first.text
    asked.close()


@needs_images
def test_alone_and_beside_others_in_small_steps_the_answers_are_the_same(
    model: Model, projector: Projector
) -> None:
    text = "what is this <image>, and this <image>?"
    prompts = [ask("so " * n + text, n, 9) for n in range(3)] + [ask("and no image at all?")]
    alone = []
    for prompt in prompts:
        asked = Asked(model, projector)
        alone += [info.text for info in asked.answers(prompt)]
        asked.close()
    beside = Asked(model, projector, batch=11)
    assert [info.text for info in beside.answers(*prompts)] == alone
    beside.close()


def with_a_picture(projector: Projector) -> Batch:
    """A step of two tokens, a picture and two tokens, for sequence 0."""
    image, batch = reading(projector)(png(1)), Batch()
    rows = {2 + place: row for place, row in enumerate(image.rows)}
    batch.add(0, 0, [1, 2, *image.ids, 3, 4], n_outputs=1, images=rows)
    return batch


@needs_images
def test_a_step_that_finds_no_room_in_its_middle_leaves_nothing(
    model: Model, projector: Projector
) -> None:
    context = context_of(model, pool=256)
    for start in range(0, 240, 60):
        others = Batch()
        others.add(1, start, [5] * 60, n_outputs=1)
        context.decode(others)
    with pytest.raises(NoRoom):
        context.decode(with_a_picture(projector))
    assert context.saved_bytes(0) == context.saved_bytes(2)
    context.cut(1, 0)
    context.decode(with_a_picture(projector))
    assert context.saved_bytes(0) > context.saved_bytes(2)
    context.close()


@needs_images
def test_a_step_that_is_broken_off_is_made_again(model: Model, projector: Projector) -> None:
    context, undisturbed = context_of(model), context_of(model)
    batch = with_a_picture(projector)
    undisturbed.decode(batch)
    context.abort()
    with pytest.raises(Aborted):
        context.decode(batch)
    assert context.saved_bytes(0) == context.saved_bytes(2)
    context.decode(batch)
    row = len(batch) - 1
    assert np.array_equal(context.logprobs(row), undisturbed.logprobs(row))
    context.close()
    undisturbed.close()


@needs_images
def test_what_is_no_image_is_refused(projector: Projector) -> None:
    with pytest.raises(BadRequest, match="no image"):
        projector.encode(png(1)[:60])


@needs_images
def test_a_projector_of_another_width_is_refused_in_the_librarys_words(
    model: Model, tmp_path: Path
) -> None:
    path = write_tiny_projector(tmp_path / "wide.gguf", 2 * WIDTH)
    with pytest.raises(LibraryRefused, match=r"n_embd = 64.*n_embd = 128"):
        model.open_projector(str(path), "wide", threads=1, gpu=False)


@needs_images
def test_pieces_that_look_at_one_another_are_not_supported(model: Model, tmp_path: Path) -> None:
    path = write_tiny_projector(tmp_path / "gemma.gguf", WIDTH, kind="gemma3")
    with pytest.raises(NotSupported, match="look at one another"):
        model.open_projector(str(path), "gemma", threads=1, gpu=False)


def test_a_build_without_the_library_says_how_to_have_it(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "llama_cpp.mtmd_cpp", None)
    monkeypatch.delattr("llama_cpp.mtmd_cpp", raising=False)
    with pytest.raises(NotSupported, match="libmtmd") as caught:
        model.open_projector("any.gguf", "any", threads=1, gpu=False)
    assert "LLAVA_BUILD=ON" in (caught.value.info().hint or "")
