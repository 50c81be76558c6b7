"""What a model is loaded with where there are cards: a real engine that says it has some."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.support.tiny_gguf import Shape, write_tiny_gguf
from wiz_kernel_ext.engine.backend import (
    Context,
    ContextParameters,
    LibraryRefused,
    LoadParameters,
    Model,
    OnLoadProgress,
)
from wiz_kernel_ext.engine.llama.backend import LlamaBackend
from wiz_kernel_ext.engine.way import AS_IT_IS, Way
from wiz_kernel_ext.errors import Conflict, ModelLoadFailed
from wiz_kernel_ext.models.placement import place_file
from wiz_kernel_ext.protocol.devices import Device
from wiz_kernel_ext.protocol.requests import CreateContext, LoadModel
from wiz_kernel_ext.worker.call import Call
from wiz_kernel_ext.worker.model_host import ModelHost

MIB = 2**20


def gpu(free_mib: int, name: str = "CUDA0") -> Device:
    free = free_mib * MIB
    return Device(name=name, description="A Card", kind="gpu", free_bytes=free, total_bytes=free)


@dataclass
class Seen:
    """What the library was asked for."""

    loads: list[LoadParameters] = field(default_factory=list)
    contexts: list[ContextParameters] = field(default_factory=list)


class CardBackend(LlamaBackend):
    """llama.cpp on the processor, where it says that there are cards."""

    def __init__(self, cards: list[Device], seen: Seen, refuses: str = "") -> None:
        super().__init__()
        self.supports_gpu_offload = bool(cards)
        self._cards, self._seen, self._refuses = cards, seen, refuses

    def devices(self) -> list[Device]:
        return [*self._cards, *super().devices()]

    def load(self, path: str, parameters: LoadParameters, on_progress: OnLoadProgress) -> Model:
        self._seen.loads.append(parameters)
        if self._refuses:
            raise LibraryRefused(self._refuses, [])
        model = super().load(path, parameters, on_progress)
        make = model.create_context

        def create_context(parameters: ContextParameters) -> Context:
            self._seen.contexts.append(parameters)
            return make(parameters)

        model.create_context = create_context  # type: ignore[method-assign]
        return model


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shape = Shape(n_layers=4, width=256, n_kv_heads=4, n_ctx_train=8192)
    return write_tiny_gguf(tmp_path_factory.mktemp("models") / "m.gguf", shape)


@pytest.fixture(scope="module")
def draft(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shape = Shape(n_layers=2, width=64, n_ctx_train=8192)
    return write_tiny_gguf(tmp_path_factory.mktemp("drafts") / "d.gguf", shape)


@pytest.fixture
async def host_on() -> AsyncIterator[Callable[..., tuple[ModelHost, Seen]]]:
    hosts = []

    def make(*cards: Device, way: Way = AS_IT_IS, refuses: str = "") -> tuple[ModelHost, Seen]:
        seen = Seen()
        hosts.append(ModelHost(lambda: CardBackend(list(cards), seen, refuses), way=way))
        return hosts[-1], seen

    yield make
    for host in hosts:
        host.close()


HostOn = Callable[..., tuple[ModelHost, Seen]]


def test_with_room_all_layers_go_on_the_card_and_the_context_is_a_cards(
    host_on: HostOn, path: Path
) -> None:
    host, seen = host_on(gpu(8192))
    info = host.load(path, LoadModel(), Call())
    assert (info.gpu_layers, info.notices) == (5, [])
    context = host.create_context(CreateContext(), Call())
    assert seen.loads[0].gpu_layers == -1
    (made,) = seen.contexts
    assert (made.batch_size, made.micro_batch_size, made.kv_type) == (2048, 512, "f16")
    assert made.flash_attention is None  # as the card can
    assert context.flash_attention  # as this processor can
    assert (context.batch_size, context.context_size) == (2048, 4096)


def test_what_rests_on_a_card_stays_as_long_as_there_is_room(host_on: HostOn, path: Path) -> None:
    for cards, stays in (([gpu(8192)], True), ([], False)):
        host, _ = host_on(*cards)
        host.load(path, LoadModel(), Call())
        info = host.create_context(CreateContext(context_size=1024), Call())
        assert host._loaded is not None and host._loaded.engine is not None
        memory = host._loaded.engine._memory
        for first in (1, 2, 3):
            tokens = [first] * 200
            start = memory.begin(tokens)
            memory.take(start.sequence_id, len(tokens))
            memory.extend(start.sequence_id, tokens)
            memory.rest(start.sequence_id)
        memory.begin([4] * 10)
        assert (memory.n_resting == 3) is stays, info
        assert memory.n_parked == (0 if stays else 3)


def test_without_room_some_layers_stay_on_the_processor_and_that_is_said(
    host_on: HostOn, path: Path
) -> None:
    host, seen = host_on(gpu(545))
    request = LoadModel(context=CreateContext(context_size=8192))
    info = host.load(path, request, Call())
    n = seen.loads[0].gpu_layers
    assert 0 < n < 5
    assert f"{n} of 5 layers fit" in info.notices[0]
    assert info.gpu_layers == n
    host.create_context(CreateContext(context_size=8192), Call())
    # The same model with less room asked for: the smaller context leaves it to the layers.
    roomy, seen = host_on(gpu(545))
    roomy.load(path, LoadModel(context=CreateContext(context_size=256)), Call())
    assert seen.loads[0].gpu_layers > n or seen.loads[0].gpu_layers == -1


def test_a_context_that_was_left_open_is_the_one_that_was_planned(
    host_on: HostOn, path: Path
) -> None:
    host, seen = host_on(gpu(550))
    info = host.load(path, LoadModel(), Call())
    assert "The context is 2048 tokens" in info.notices[0]
    assert seen.loads[0].gpu_layers == -1
    assert host.create_context(CreateContext(), Call()).context_size == 2048
    shared = host.create_context(CreateContext(context_size=2048), Call())
    assert shared.shared


def test_what_was_asked_for_is_what_is_done(host_on: HostOn, path: Path) -> None:
    host, seen = host_on(gpu(8192))
    host.load(path, LoadModel(gpu_layers=0), Call())
    context = host.create_context(CreateContext(), Call())
    assert seen.loads[0].gpu_layers == 0
    assert (context.batch_size, context.flash_attention) == (512, False)  # as ever
    assert seen.contexts[0].micro_batch_size == 512
    host.unload(force=True)
    host.load(path, LoadModel(gpu_layers=99), Call())
    assert seen.loads[1].gpu_layers == 99
    assert host.load(path, LoadModel(gpu_layers=99), Call()).shared
    with pytest.raises(Conflict):
        host.load(path, LoadModel(gpu_layers=2), Call())
    asked = CreateContext(flash_attention=False, batch_size=64)
    context = host.create_context(asked, Call())
    assert (context.flash_attention, context.batch_size) == (False, 64)
    assert seen.contexts[-1].micro_batch_size == 64


def test_a_card_on_which_it_is_wrong_or_that_is_not_there_is_not_used(
    host_on: HostOn, path: Path
) -> None:
    wrong, seen = host_on(gpu(8192), way=Way(gpu=False))
    info = wrong.load(path, LoadModel(gpu_layers=5), Call())
    assert (seen.loads[0].gpu_layers, "not compute right" in info.notices[0]) == (0, True)
    none, seen = host_on()
    info = none.load(path, LoadModel(gpu_layers=5), Call())
    assert (seen.loads[0].gpu_layers, "for the CPU only" in info.notices[0]) == (0, True)
    assert none.load(path, LoadModel(gpu_layers="auto"), Call()).shared


@pytest.mark.parametrize("gpu_layers", [None, 2, -1])
def test_all_of_a_draft_goes_on_the_card_with_the_model_or_with_a_part_of_it(
    host_on: HostOn, path: Path, draft: Path, gpu_layers: int | None
) -> None:
    host, seen = host_on(gpu(8192))
    info = host.load(path, LoadModel(draft=str(draft), gpu_layers=gpu_layers), Call())
    assert (info.draft, info.notices) == (str(draft), [])
    host.create_context(CreateContext(context_size=512), Call())
    assert [one.gpu_layers for one in seen.loads] == [gpu_layers or -1, -1]
    own, other = seen.contexts
    assert other == own
    assert other.batch_size == 2048
    again = LoadModel(draft=str(draft), gpu_layers=gpu_layers)
    assert host.load(path, again, Call()).shared


def test_a_draft_that_a_card_has_no_room_for_goes_to_the_processor_and_that_is_said(
    host_on: HostOn, path: Path, draft: Path
) -> None:
    context = CreateContext(context_size=4096)
    whole, alone = place_file(path, LoadModel(), context, [gpu(8192)]), LoadModel(context=context)
    room = -(-sum(share.needed_bytes for share in whole.shares) // MIB)
    host, seen = host_on(gpu(room))
    info = host.load(path, replace(alone, draft=str(draft)), Call())
    assert [one.gpu_layers for one in seen.loads] == [-1, 0]
    assert "The draft does not fit beside the model" in info.notices[0]
    assert info.gpu_layers == 5
    host.create_context(context, Call())
    own, other = seen.contexts
    assert (own.batch_size, other.batch_size) == (2048, 512)
    assert (own.flash_attention, other.flash_attention) == (None, False)
    assert (own.pool_size, own.threads) == (other.pool_size, other.threads)
    assert (own.sequence_ids, own.kv_type) == (other.sequence_ids, other.kv_type)


@pytest.mark.parametrize("gpu_layers", [None, 0])
def test_where_the_model_is_on_the_processor_its_draft_is_too(
    host_on: HostOn, path: Path, draft: Path, gpu_layers: int | None
) -> None:
    host, seen = host_on(*([] if gpu_layers is None else [gpu(8192)]))
    info = host.load(path, LoadModel(draft=str(draft), gpu_layers=gpu_layers), Call())
    assert [one.gpu_layers for one in seen.loads] == [0, 0]
    assert info.notices == []
    host.create_context(CreateContext(context_size=512), Call())
    assert seen.contexts[0] == seen.contexts[1]
    full, seen = host_on(gpu(100))
    info = full.load(path, LoadModel(draft=str(draft)), Call())
    assert [one.gpu_layers for one in seen.loads] == [0, 0]
    assert len(info.notices) == 1


def test_a_card_that_runs_full_all_the_same_says_what_to_do(host_on: HostOn, path: Path) -> None:
    host, _ = host_on(gpu(8192), refuses="unable to allocate CUDA0 buffer")
    with pytest.raises(ModelLoadFailed) as failed:
        host.load(path, LoadModel(), Call())
    assert "--gpu-layers" in failed.value.info().hint
