"""The devices that ggml computes on: `python -m` prints them as JSON, in a process of its own.

Bound by ctypes to the libraries that llama_cpp has loaded, which has no calls for them
(ggml-backend.h). Asking a card is what sets it up: some 200 MB of its memory and a second.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any

import llama_cpp.llama_cpp as c
import msgspec

from wiz_kernel_ext.free_memory import free_bytes
from wiz_kernel_ext.protocol.devices import Device, DeviceKind

# enum ggml_backend_dev_type; those after it wrap others.
_KINDS: tuple[DeviceKind, ...] = ("cpu", "gpu", "igpu", "accel")


class _Properties(ctypes.Structure):
    """`ggml_backend_dev_props`, with room for what later versions add."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("description", ctypes.c_char_p),
        ("memory_free", ctypes.c_size_t),
        ("memory_total", ctypes.c_size_t),
        ("type", ctypes.c_int),
        ("device_id", ctypes.c_char_p),
        ("capabilities", ctypes.c_uint8 * 256),
    )


class _Feature(ctypes.Structure):
    """`ggml_backend_feature`: an array of them ends with one that has no name."""

    _fields_ = (("name", ctypes.c_char_p), ("value", ctypes.c_char_p))


_FeaturesOf = ctypes.CFUNCTYPE(ctypes.POINTER(_Feature), ctypes.c_void_p)


def _bound(name: str, takes: list[Any], gives: Any) -> Any:
    # The loader finds it in the libraries that libllama is linked with.
    function = getattr(c._lib, f"ggml_backend_{name}")
    function.argtypes, function.restype = takes, gives
    return function


_dev_count = _bound("dev_count", [], ctypes.c_size_t)
_dev_get = _bound("dev_get", [ctypes.c_size_t], ctypes.c_void_p)
_dev_props = _bound("dev_get_props", [ctypes.c_void_p, ctypes.POINTER(_Properties)], None)
_dev_reg = _bound("dev_backend_reg", [ctypes.c_void_p], ctypes.c_void_p)
_reg_address = _bound("reg_get_proc_address", [ctypes.c_void_p, ctypes.c_char_p], ctypes.c_void_p)


def devices() -> list[Device]:
    """Every device there is, in the library's order: cards first, the processor last."""
    return [device for handle in map(_dev_get, range(_dev_count())) for device in _seen(handle)]


def _seen(handle: int) -> Iterator[Device]:
    said = _Properties()
    _dev_props(handle, ctypes.byref(said))
    if said.type >= len(_KINDS):
        return
    kind = _KINDS[said.type]
    # Of the processor's memory ggml calls all of it free.
    free = min(said.memory_free, free_bytes()) if kind == "cpu" else said.memory_free
    yield Device(
        name=_text(said.name),
        description=_text(said.description).strip(),
        kind=kind,
        free_bytes=free,
        total_bytes=said.memory_total,
        features=list(_features(handle)),
        id=_text(said.device_id),
    )


def _features(handle: int) -> Iterator[str]:
    registry = _dev_reg(handle)
    address = _reg_address(registry, b"ggml_backend_get_features")
    if not address:
        return
    for feature in _FeaturesOf(address)(registry):
        if not feature.name:
            return
        name, value = _text(feature.name), _text(feature.value)
        if value != "0":
            yield name if value == "1" else f"{name} {value}"


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")


if __name__ == "__main__":
    print(msgspec.json.encode(devices()).decode())
