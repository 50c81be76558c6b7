"""A dry run: what a load would do, worked out for faked cards, and against a real load."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from tests.support.homes import Home
from tests.support.tiny_gguf import Shape, write_tiny_gguf
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.configuration.limits import Limits
from wiz_kernel_ext.engine.way import AS_IT_IS, Way
from wiz_kernel_ext.errors import GgufInvalid, LimitExceeded, ModelFileNotFound, NotEnoughMemory
from wiz_kernel_ext.gguf_file.header import read_file_header
from wiz_kernel_ext.models.fit import Use
from wiz_kernel_ext.models.machine import Machine
from wiz_kernel_ext.protocol.devices import Device
from wiz_kernel_ext.protocol.load_plan import LoadPlan
from wiz_kernel_ext.protocol.requests import CreateContext, LoadModel, PlanLoad
from wiz_kernel_ext.service.load_check import LoadCheck
from wiz_kernel_ext.service.load_plan import LoadPlanner

MIB = 2**20
SHAPE = Shape(n_layers=4, width=256, n_kv_heads=4, n_ctx_train=8192)
CPU = Device(name="CPU", description="A Processor", kind="cpu", total_bytes=8 << 30)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_gguf(tmp_path_factory.mktemp("models") / "m.gguf", SHAPE)


@pytest.fixture(scope="module")
def draft(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shape = replace(SHAPE, n_layers=2, width=64, n_kv_heads=2)
    return write_tiny_gguf(tmp_path_factory.mktemp("drafts") / "d.gguf", shape)


def gpu(free_mib: int, name: str = "CUDA0") -> Device:
    free = free_mib * MIB
    return Device(name=name, description="A Card", kind="gpu", free_bytes=free, total_bytes=free)


def planner(
    *cards: Device,
    way: Way = AS_IT_IS,
    available_bytes: int = 8 << 30,
    room_bytes: int = 0,
    limits: Limits | None = None,
) -> LoadPlanner:
    async def found() -> list[Device]:
        return [*cards, CPU]

    async def used() -> Way:
        return way

    check = LoadCheck(lambda: Machine(available_bytes=available_bytes), lambda: bool(cards))
    return LoadPlanner(check, lambda: limits or Limits(), lambda: room_bytes, used, found)


def plan(
    planner: LoadPlanner, path: Path, load: LoadModel | None = None, **context: object
) -> LoadPlan:
    asked = CreateContext(**context)  # type: ignore[arg-type]
    return asyncio.run(planner.plan(path, load or LoadModel(), asked))


def how(plan: LoadPlan) -> dict[str, str]:
    return {one.name: one.value for one in plan.settings}


def why(plan: LoadPlan) -> dict[str, str]:
    return {one.name: one.why for one in plan.settings}


def test_on_a_processor_the_engines_own_figures_add_up(path: Path) -> None:
    made = plan(planner(), path, context_size=1024)
    (cpu,) = made.parts
    assert (made.verdict, made.basis, made.refusal, made.notices) == ("fits", "measured", "", [])
    assert (cpu.device, cpu.n_layers, cpu.free_bytes) == ("CPU", 5, 8 << 30)
    parts = cpu.weights_bytes + cpu.kv_bytes + cpu.compute_bytes + cpu.other_bytes
    assert parts == cpu.needed_bytes
    assert made.cells == 2048
    assert made.cells * made.cell_bytes == cpu.kv_bytes  # f16: 4 layers, 2 x 256 values
    assert made.cell_bytes == 4 * 2 * 256 * 2
    assert how(made)["context"] == "1024 tokens"
    assert (why(made)["context"], why(made)["sequences"]) == ("asked for", "the default")
    assert (how(made)["flash attention"], how(made)["batch"]) == ("off", "512 tokens")
    assert how(made)["layers on cards"] == "0 of 5"


def test_with_cards_each_has_its_part_and_the_processor_the_rest(path: Path) -> None:
    made = plan(planner(gpu(4096), gpu(4096, "CUDA1")), path)
    assert [part.device for part in made.parts] == ["CUDA0", "CUDA1", "CPU"]
    assert [part.n_layers for part in made.parts] == [3, 2, 0]
    assert sum(part.kv_bytes for part in made.parts) == made.cells * made.cell_bytes
    assert made.parts[2].weights_bytes == 512 * 256 * 4  # the embedding stays
    assert (made.verdict, how(made)["layers on cards"]) == ("fits", "5 of 5")
    assert (how(made)["flash attention"], how(made)["batch"]) == ("on", "2048 tokens")
    assert "512 at once" in why(made)["batch"]


def test_what_does_not_fit_on_a_card_is_said_with_what_would(path: Path) -> None:
    small = planner(gpu(545))
    made = plan(small, path, context_size=8192)
    assert 0 < made.parts[0].n_layers < 5
    assert made.parts[0].needed_bytes <= made.parts[0].free_bytes
    assert "All fit with `--ctx 2048`" in made.notices[0]
    assert plan(small, path, context_size=2048).parts[0].n_layers == 5
    asked = plan(small, path, LoadModel(gpu_layers=5), context_size=8192)
    assert (asked.verdict, why(asked)["layers on cards"]) == ("too big", "asked for")
    assert asked.parts[0].needed_bytes > asked.parts[0].free_bytes


def test_a_card_that_is_not_to_be_used_has_no_part(path: Path) -> None:
    for made in (
        plan(planner(gpu(4096), way=Way(gpu=False)), path),
        plan(planner(gpu(4096)), path, LoadModel(gpu_layers=0)),
    ):
        assert [part.device for part in made.parts] == ["CPU"]
        assert how(made)["flash attention"] == "off"


def test_a_refusal_is_told_with_the_context_that_fits_and_a_load_that_agrees_is_not_refused(
    path: Path,
) -> None:
    async def no_figures(path: Path, use: Use, n_ctx_train: int) -> None:
        return None

    tight = replace(planner(available_bytes=220_000_000), measure=no_figures)
    made = plan(tight, path, context_size=32_768)
    assert "free" in made.refusal
    assert "--ctx" in made.refusal
    assert made.verdict == "too big"
    assert plan(tight, path, context_size=256).refusal == ""
    # What idle models would give back counts, and is said.
    roomy = replace(tight, room_bytes=lambda: 1 << 30)
    made = plan(roomy, path, context_size=32_768)
    assert made.refusal == ""
    assert "unloaded to make room" in made.notices[0]


def test_a_draft_on_the_processor_is_a_part_of_what_the_model_leaves(
    path: Path, draft: Path
) -> None:
    made = plan(planner(), path, LoadModel(draft=str(draft)), context_size=1024)
    alone = plan(planner(), path, context_size=1024)
    (cpu,), (beside,) = made.parts, made.draft_parts
    assert made.parts == alone.parts
    assert (made.draft, made.verdict, made.basis) == (str(draft), "fits", "measured")
    assert (beside.device, beside.n_layers) == ("CPU", 3)
    assert beside.weights_bytes == draft.stat().st_size
    assert beside.kv_bytes == 2048 * 2 * 2 * 32 * 2  # f16: 2 layers, 2 x 32 values
    assert beside.needed_bytes == beside.weights_bytes + beside.kv_bytes + beside.compute_bytes
    assert beside.free_bytes == cpu.free_bytes - cpu.needed_bytes
    assert how(made)["draft"] == "d.gguf, 0 of 3 layers on cards"
    fit = planner().check.fit(path, CreateContext(context_size=1024), draft)
    assert fit.weights_bytes == cpu.weights_bytes + beside.weights_bytes
    assert fit.kv_bytes == cpu.kv_bytes + beside.kv_bytes
    assert "draft" not in how(alone)


def test_a_draft_is_on_the_card_as_a_whole_or_on_the_processor(path: Path, draft: Path) -> None:
    load = LoadModel(draft=str(draft))
    made = plan(planner(gpu(4096)), path, load)
    card, beside, embedding = made.parts[0], *made.draft_parts
    assert (beside.device, beside.n_layers, beside.other_bytes) == ("CUDA0", 3, 0)
    assert beside.free_bytes == card.free_bytes - card.needed_bytes
    assert (embedding.device, embedding.needed_bytes) == ("CPU", 512 * 64 * 4)
    assert how(made)["draft"] == "d.gguf, 3 of 3 layers on cards"
    assert (made.notices, made.verdict) == ([], "fits")

    room = -(-card.needed_bytes // MIB)
    made = plan(planner(gpu(room)), path, load, context_size=4096)
    (beside,) = made.draft_parts
    assert (beside.device, beside.n_layers) == ("CPU", 3)
    assert how(made)["draft"] == "d.gguf, 0 of 3 layers on cards"
    assert why(made)["draft"] == "no room on the cards"
    assert "The draft does not fit beside the model" in made.notices[0]
    assert made.verdict == "fits"
    needed = made.parts[-1].needed_bytes + beside.needed_bytes
    scarce = planner(gpu(room), available_bytes=needed - 1)
    assert plan(scarce, path, load, context_size=4096).verdict == "too big"

    made = plan(planner(gpu(4096)), path, structs.replace(load, gpu_layers=0))
    assert [part.device for part in made.draft_parts] == ["CPU"]
    assert why(made)["draft"] == "where the model is"


def test_a_draft_that_memory_has_no_room_for_is_refused_by_its_name(
    path: Path, draft: Path
) -> None:
    context = CreateContext(context_size=1024)
    roomy = planner().check
    alone, both = roomy.fit(path, context), roomy.fit(path, context, draft)
    scarce = planner(available_bytes=both.least_bytes - 1)
    load = LoadModel(draft=str(draft))
    made = plan(scarce, path, load, context_size=1024)
    assert "m.gguf with the draft d.gguf is not loaded" in made.refusal
    assert f"Without the draft it fits: `wiz load {path}`" in made.refusal
    assert f"--draft {draft} --anyway` loads it" in made.refusal
    assert plan(scarce, path, context_size=1024).refusal == ""
    fit = scarce.check.fit(path, context, draft)
    with pytest.raises(NotEnoughMemory) as refused:  # the load's
        scarce.check.refuse_too_big("m.gguf", fit, path=path, draft=draft, context=context)
    assert refused.value.message in made.refusal
    assert refused.value.details["needed_bytes"] == both.least_bytes > alone.least_bytes

    # The context that is named as fitting does so with the draft.
    scarce = planner(available_bytes=alone.least_bytes)
    made = plan(scarce, path, load, context_size=65_536)
    assert "65,536 tokens for m.gguf with the draft d.gguf" in made.refusal
    (largest,) = set(re.findall(r"--ctx (\d+)", made.refusal))
    assert plan(scarce, path, load, context_size=int(largest)).refusal == ""


def test_what_no_load_could_be_is_an_error(path: Path, tmp_path: Path) -> None:
    limited = planner(limits=Limits(max_context_size=512))
    with pytest.raises(LimitExceeded):
        plan(limited, path, context_size=1024)
    (tmp_path / "bad.gguf").write_bytes(b"GGUF and no more")
    with pytest.raises(GgufInvalid):
        plan(planner(), tmp_path / "bad.gguf")


def test_a_real_service_plans_a_draft_as_it_then_loads_it(
    home: Home, client: Client, path: Path, draft: Path
) -> None:
    made = client.request(PlanLoad(model=str(path), draft=str(draft), context_size=1024))
    client.load(str(path), draft=str(draft), context_size=1024)
    (worker,) = client.status().workers
    assert worker.draft == made.draft == str(draft)
    assert worker.kv_bytes == made.parts[-1].kv_bytes + made.draft_parts[-1].kv_bytes
    tensors = sum(
        tensor.size_bytes for one in (path, draft) for tensor in read_file_header(one).tensors
    )
    assert 0 <= worker.weights_bytes - tensors < draft.stat().st_size
    with pytest.raises(ModelFileNotFound):
        client.request(PlanLoad(model=str(path), draft=str(draft) + "x"))


def test_a_real_service_plans_what_it_then_loads(home: Home, client: Client, path: Path) -> None:
    made = client.request(PlanLoad(model=str(path), context_size=1024, threads=1))
    assert home.workers() == []
    assert not made.is_loaded
    loaded = client.load(str(path), context_size=1024, threads=1)
    (worker,) = client.status().workers
    assert worker.kv_bytes == made.parts[-1].kv_bytes
    assert loaded.context.pool_size == made.cells
    assert how(made)["threads"] == "1"
    assert how(made)["batch"] == f"{loaded.context.batch_size} tokens"
    assert client.request(PlanLoad(model=str(path))).is_loaded
    with pytest.raises(ModelFileNotFound) as missing:
        client.request(PlanLoad(model="u/r:Q8_0"))
    assert "wiz inspect" in str(missing.value.info().hint) or "inspect" in missing.value.info().hint
