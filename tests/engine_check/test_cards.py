"""A card beside a build that does not use it: found, said, and built for where that can be done."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine_check.test_building import RIGHT
from wiz_kernel_ext.cli import doctor
from wiz_kernel_ext.engine_check import cards, rebuild
from wiz_kernel_ext.engine_check.build import EngineBuild
from wiz_kernel_ext.engine_check.cards import (
    CARDS,
    Card,
    build_arguments,
    cards_here,
    how_to_build,
    unused_notice,
)
from wiz_kernel_ext.engine_check.rebuild import for_unused_cards
from wiz_kernel_ext.engine_check.verdict import Verdict

NVIDIA, AMD = CARDS


def build(folder: Path, library: str) -> EngineBuild:
    return EngineBuild(folder, ((folder / library, 1, 1),))


@pytest.fixture
def card(tmp_path: Path) -> Card:
    """A card that is here, and a compiler that is not."""
    (tmp_path / "sign").touch()
    return Card(
        "an NVIDIA card", (tmp_path / "sign",), ("cuda", "vulkan"), "nvcc",
        (str(tmp_path / "bin"),), ("CUDA_VISIBLE_DEVICES",),
    )  # fmt: skip


@pytest.fixture
def nvcc(tmp_path: Path) -> Callable[[], Path]:
    def make() -> Path:
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "nvcc").write_text("#!/bin/sh\n")
        (tmp_path / "bin" / "nvcc").chmod(0o755)
        return tmp_path / "bin" / "nvcc"

    return make


def test_a_card_is_here_by_its_signs_unless_it_is_hidden(card: Card, tmp_path: Path) -> None:
    assert cards_here({}, [card]) == [card]
    assert cards_here({"CUDA_VISIBLE_DEVICES": "0"}, [card]) == [card]
    for hidden in ("", "-1"):
        assert cards_here({"CUDA_VISIBLE_DEVICES": hidden}, [card]) == []
    (tmp_path / "sign").unlink()
    assert cards_here({}, [card]) == []


def test_what_is_said_depends_on_the_build_and_on_the_compiler(
    card: Card, tmp_path: Path, nvcc: Callable[[], Path]
) -> None:
    plain, cuda = build(tmp_path, "libggml-cpu.so"), build(tmp_path, "libggml-cuda.so")
    said = unused_notice(plain, [card])
    assert "an NVIDIA card here" in said
    assert "on the processor only" in said
    assert unused_notice(plain, []) == ""
    assert unused_notice(cuda, [card], has_device=True) == ""
    assert "driver may be too old" in unused_notice(cuda, [card])
    assert how_to_build(card, {}).startswith("Install nvcc")
    assert build_arguments(card, {}) == []
    path = nvcc()
    assert how_to_build(card, {}) == "`wiz doctor --rebuild` builds it for the card."
    assert build_arguments(card, {}) == [
        "-DGGML_CUDA=on",
        f"-DCMAKE_CUDA_COMPILER={path}",
        "-DCMAKE_CUDA_ARCHITECTURES=native",
    ]
    assert "-DGGML_HIP=on" in how_to_build(AMD, {})


async def test_rebuilding_builds_for_a_card_that_is_left_unused_and_only_then(
    card: Card, tmp_path: Path, nvcc: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, cuda = build(tmp_path, "libggml-cpu.so"), build(tmp_path, "libggml-cuda.so")
    monkeypatch.setattr(rebuild, "cards_here", lambda: [card])
    monkeypatch.setenv("PATH", "/bin")
    built: list[str] = []

    async def checked(data_dir: Path, *, anew: bool) -> Verdict:
        return RIGHT

    async def rebuilt(data_dir: Path, **_: object) -> Verdict:
        built.append("once")
        return RIGHT

    monkeypatch.setattr(doctor, "checked", checked)
    monkeypatch.setattr(doctor, "rebuilt", rebuilt)
    arguments = argparse.Namespace(rebuild=True, safer=False, read_in="python")
    monkeypatch.setattr(doctor, "for_unused_cards", lambda build: for_unused_cards(plain))
    await asyncio.to_thread(doctor.run, arguments)
    assert built == []  # it is right, and there is no compiler
    nvcc()
    assert "-DGGML_CUDA=on" in for_unused_cards(plain)
    assert for_unused_cards(cuda) == []
    await asyncio.to_thread(doctor.run, arguments)
    assert built == ["once"]
    monkeypatch.setattr(rebuild, "engine_build", lambda: plain)
    assert "-DGGML_CUDA=on" in rebuild._what_is_there()[1]
    assert cards.CARDS[0].compiler == "nvcc"
