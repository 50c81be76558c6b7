"""From a checkpoint's numbers to the GGUF's, a block of rows at a time, on two threads.

Knows the float formats, Q8_0 and the families' changes. Memory is a few blocks, whatever the size
of the tensor: numpy lets the threads run beside each other, and the file is read and written in
order. Called by `writer.py`.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from wiz_kernel_ext.errors import ConversionRefused
from wiz_kernel_ext.making.convert.families import Change
from wiz_kernel_ext.making.convert.plan import PlannedTensor
from wiz_kernel_ext.making.convert.safetensors import FLOAT_BYTES, StoredTensor

Array = npt.NDArray[Any]

BLOCK_ELEMENTS = 1 << 18
N_THREADS = 2
N_AHEAD = 4
_STORED = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": np.uint16}


def encoded(tensor: PlannedTensor, pool: ThreadPoolExecutor) -> Iterator[tuple[Array, int]]:
    """The tensor's data in order: (packed block, bytes of the checkpoint it was made from).

    Raises ConversionRefused when a number is none (NaN, infinite) or too large for the type.
    """
    source = tensor.source
    if source is None:
        yield np.asarray(tensor.values, np.float32), 0
        return
    waiting: deque[tuple[Future[Array], int]] = deque()
    for raw in _blocks(source, tensor.head_width if tensor.change is Change.INTERLEAVE else 1):
        waiting.append((pool.submit(_encode, raw, tensor, source), raw.nbytes))
        if len(waiting) >= N_AHEAD:
            future, n_bytes = waiting.popleft()
            yield future.result(), n_bytes
    for future, n_bytes in waiting:
        yield future.result(), n_bytes


def _blocks(source: StoredTensor, multiple: int) -> Iterator[Array]:
    """The stored numbers, rows × columns, some `multiple` of rows at a time."""
    if len(source.shape) == 2:
        n_rows, n_columns = source.shape
    else:  # a bias is reordered like the rows of its matrix
        n_rows, n_columns = (source.shape[0], 1) if multiple > 1 else (1, source.shape[0])
    n_step = max(1, BLOCK_ELEMENTS // max(1, n_columns * multiple)) * multiple
    row_bytes = n_columns * FLOAT_BYTES[source.dtype]
    with source.file.open("rb", buffering=0) as stream:
        stream.seek(source.start)
        for start in range(0, n_rows, n_step):
            n = min(n_step, n_rows - start)
            data = bytearray(n * row_bytes)
            view = memoryview(data)
            while view:
                n_read = stream.readinto(view)
                if not n_read:
                    raise ConversionRefused(
                        f"{source.file} ends inside of the tensor {source.name!r}.",
                        hint="The file is incomplete: download it again.",
                        file=source.file.name,
                    )
                view = view[n_read:]
            yield np.frombuffer(data, _STORED[source.dtype]).reshape(n, n_columns)


def _encode(raw: Array, tensor: PlannedTensor, source: StoredTensor) -> Array:
    if tensor.change is Change.INTERLEAVE:
        raw = interleaved(raw, tensor.head_width)
    elif tensor.change is Change.PLUS_ONE:
        shifted: Array = to_f32(raw, source.dtype) + np.float32(1)
        return shifted
    if tensor.kind == source.dtype:
        return np.ascontiguousarray(raw)
    with np.errstate(over="ignore", invalid="ignore"):
        if (source.dtype, tensor.kind) == ("BF16", "F16"):
            packed, finite = bf16_to_f16(raw)
        else:
            packed, finite = _PACK[tensor.kind](to_f32(raw, source.dtype))
    if not finite:
        raise ConversionRefused(
            f"{source.file}: the tensor {source.name!r} has numbers that are too large for "
            f"{tensor.kind} or are none.",
            hint="Convert to bf16 or f32; if it says the same, the checkpoint is damaged.",
            file=source.file.name,
        )
    return packed


def interleaved(rows: Array, head_width: int) -> Array:
    """Each head's rows, its two halves taken in turns (llama.cpp's order of rotated pairs)."""
    n_rows, n_columns = rows.shape
    halves = rows.reshape(n_rows // head_width, 2, head_width // 2, n_columns)
    pairs: Array = halves.swapaxes(1, 2).reshape(n_rows, n_columns)
    return pairs


def to_f32(raw: Array, dtype: str) -> Array:
    """Stored numbers as float32; bfloat16 comes as its 16 bits."""
    if dtype == "BF16":
        wide: Array = raw.astype(np.uint32)
        wide <<= 16
        floats: Array = wide.view(np.float32)
        return floats
    narrow: Array = raw.astype(np.float32, copy=False)
    return narrow


def _to_f32(values: Array) -> tuple[Array, bool]:
    return values, bool(np.isfinite(values).all())


def _to_f16(values: Array) -> tuple[Array, bool]:
    packed = values.astype(np.float16)
    return packed, bool(np.isfinite(packed).all())


def to_bf16(values: Array) -> tuple[Array, bool]:
    """The 16 bits of the nearest bfloat16 (to even), and whether all numbers are finite."""
    finite = bool(np.isfinite(values).all())
    bits = np.ascontiguousarray(values).view(np.uint32)
    rounded = (bits + (((bits >> 16) & 1) + np.uint32(0x7FFF))) >> 16
    return rounded.astype(np.uint16), finite


def to_q8_0(values: Array) -> tuple[Array, bool]:
    """Blocks of 32: a float16 scale and 32 bytes, rounded half away from zero as ggml does."""
    flat = np.ascontiguousarray(values).reshape(-1)
    # reduceat is three times as fast as max(axis=1) on rows this short.
    largest = np.maximum.reduceat(np.abs(flat), np.arange(0, flat.size, 32))
    scale = largest / np.float32(127)
    stored = scale.astype(np.float16)
    inverse = np.divide(np.float32(1), scale, out=np.zeros_like(scale), where=scale != 0)
    scaled = flat.reshape(-1, 32) * inverse[:, None]
    scaled += np.copysign(np.float32(0.5), scaled)
    packed = np.empty((len(scaled), 34), np.uint8)
    packed[:, :2] = stored.view(np.uint8).reshape(-1, 2)
    packed[:, 2:] = scaled.astype(np.int8).view(np.uint8)
    return packed, bool(np.isfinite(stored).all())


def bf16_to_f16(bits: Array) -> tuple[Array, bool]:
    """The nearest float16 of bfloat16 bits: by a table, four times as fast as computing it."""
    packed = np.take(_f16_of_bf16(), bits, mode="clip")
    return packed, not bool(((packed & 0x7C00) == 0x7C00).any())


@functools.cache
def _f16_of_bf16() -> Array:
    with np.errstate(over="ignore", invalid="ignore"):
        halves = to_f32(np.arange(1 << 16, dtype=np.uint16), "BF16").astype(np.float16)
    table: Array = halves.view(np.uint16)
    return table


_PACK: dict[str, Callable[[Array], tuple[Array, bool]]] = {
    "F32": _to_f32,
    "F16": _to_f16,
    "BF16": to_bf16,
    "Q8_0": to_q8_0,
}
