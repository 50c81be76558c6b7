"""The library's own list of devices: here a processor, with its memory and instruction sets."""

from __future__ import annotations

import psutil
import pytest

from wiz_kernel_ext import free_memory
from wiz_kernel_ext.cgroups import Room
from wiz_kernel_ext.engine.llama import devices as module
from wiz_kernel_ext.engine.llama.backend import LlamaBackend
from wiz_kernel_ext.engine_check.processor import this_processor
from wiz_kernel_ext.models.devices import devices_here, told
from wiz_kernel_ext.protocol.devices import Device, cards


def test_the_processor_is_there_with_its_memory_and_instruction_sets() -> None:
    found = LlamaBackend().devices()
    assert len({device.name for device in found}) == len(found)
    (cpu,) = [device for device in found if device.kind == "cpu"]
    assert cpu.description
    assert cpu.total_bytes == pytest.approx(psutil.virtual_memory().total, rel=0.01)
    assert 0 < cpu.free_bytes < cpu.total_bytes
    if "avx2" in this_processor().features:
        assert {"SSE3", "AVX"} <= set(cpu.features)


def test_what_a_container_may_have_bounds_the_processors_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limited = [Room(2000, 1000), Room(4000, 3000)]
    monkeypatch.setattr(free_memory, "memory_rooms", lambda proc, root: limited)
    (cpu,) = [device for device in module.devices() if device.kind == "cpu"]
    assert cpu.free_bytes == 1000


async def test_a_child_process_tells_the_same_and_one_that_dies_tells_of_none() -> None:
    said = await devices_here()
    assert [(device.name, device.features) for device in said] == [
        (device.name, device.features) for device in LlamaBackend().devices()
    ]
    for command in (["/bin/false"], ["/bin/echo", "["], ["/not/there"]):
        assert await devices_here(command) == []


def card(name: str, kind: str = "gpu", id: str = "", free_gb: float = 8) -> Device:
    free = int(free_gb * 2**30)
    return Device(
        name=name, description="A Card", kind=kind, free_bytes=free, total_bytes=free, id=id  # type: ignore[arg-type]
    )  # fmt: skip


def test_layers_go_to_cards_of_their_own_each_once_or_else_to_one_in_the_processor() -> None:
    cpu, inside = card("CPU", "cpu"), card("Vulkan1", "igpu")
    assert cards([cpu]) == []
    assert cards([inside, cpu, card("BLAS", "accel")]) == [inside]
    first, second = card("CUDA0", id="0000:01:00.0"), card("CUDA1", id="0000:02:00.0")
    twice = card("Vulkan0", id="0000:01:00.0")
    assert cards([first, second, twice, inside, cpu]) == [first, second]
    assert cards([card("CUDA0"), card("CUDA1")]) == [card("CUDA0"), card("CUDA1")]


def test_a_device_is_told_in_a_line() -> None:
    assert told(card("CUDA0")) == "CUDA0: A Card, 8.0 GB of 8.0 GB free"
    blas = Device(name="BLAS", description="BLAS", kind="accel")
    assert told(blas) == "BLAS"
    cpu = Device(name="CPU", description="X", kind="cpu", features=["AVX", "AVX2"])
    assert told(cpu) == "CPU: X (AVX, AVX2)"
