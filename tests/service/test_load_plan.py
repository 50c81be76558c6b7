"""A dry run: what a load would do, worked out for faked cards, and against a real load."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.homes import Home
from tests.support.tiny_gguf import Shape, write_tiny_gguf
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.configuration.limits import Limits
from wiz_kernel_ext.engine.way import AS_IT_IS, Way
from wiz_kernel_ext.errors import GgufInvalid, LimitExceeded, ModelFileNotFound
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


def test_what_no_load_could_be_is_an_error(path: Path, tmp_path: Path) -> None:
    limited = planner(limits=Limits(max_context_size=512))
    with pytest.raises(LimitExceeded):
        plan(limited, path, context_size=1024)
    (tmp_path / "bad.gguf").write_bytes(b"GGUF and no more")
    with pytest.raises(GgufInvalid):
        plan(planner(), tmp_path / "bad.gguf")


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
