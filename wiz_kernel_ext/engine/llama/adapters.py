"""LoRA adapters as llama.cpp has them: read from a file beside a model, set on a context."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import llama_cpp as c

from wiz_kernel_ext.engine.adapter_header import check_adapter
from wiz_kernel_ext.engine.backend import Adapter, DecodeFailed, LibraryRefused
from wiz_kernel_ext.engine.fingerprint import model_fingerprint
from wiz_kernel_ext.engine.llama.log_tail import LogTail


class LlamaAdapter(Adapter):
    """A `llama_adapter_lora`."""

    def __init__(self, pointer: int, fingerprint: str) -> None:
        self.pointer = pointer
        self.fingerprint = fingerprint

    def close(self) -> None:
        """Give the memory back; a second time changes nothing."""
        if self.pointer:
            c.llama_adapter_lora_free(_pointer_to(self.pointer))
            self.pointer = 0


def load_adapter(model: Any, model_path: str, path: str, log_tail: LogTail) -> LlamaAdapter:
    """The adapter at `path` for `model`, whose file is at `model_path`.

    Raises what `check_adapter` does, and LibraryRefused.
    """
    check_adapter(Path(path), Path(model_path))
    fingerprint = model_fingerprint(Path(path))
    log_tail.clear()
    adapter = c.llama_adapter_lora_init(model, path.encode())
    if not adapter:
        raise LibraryRefused(log_tail.reason() or "no reason given", log_tail.lines())
    return LlamaAdapter(ctypes.cast(adapter, ctypes.c_void_p).value or 0, fingerprint)


def use_adapters(context: Any, adapters: Sequence[tuple[Adapter, float]]) -> None:
    """Have `context` compute with `adapters`, and no others, from the next batch on."""
    pointers = [one.pointer for one, _ in adapters if isinstance(one, LlamaAdapter)]
    array = (ctypes.c_void_p * len(pointers))(*pointers)
    scales = (ctypes.c_float * len(pointers))(*(scale for _, scale in adapters))
    if c.llama_set_adapters_lora(context, _pointer_to(array), len(pointers), scales) != 0:
        raise DecodeFailed("the adapters could not be set")


def _pointer_to(value: Any) -> Any:
    """`value`, an address or an array of them, of the type that the library's functions declare."""
    kind = c.llama_adapter_lora_p_ctypes
    is_array = isinstance(value, ctypes.Array)
    return ctypes.cast(value, ctypes.POINTER(kind) if is_array else kind)
