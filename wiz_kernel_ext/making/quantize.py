"""A GGUF to a smaller one: the size before, and the work in a child process.

Knows the types on offer and how the child is asked. The types of one to three bits are left out:
without an importance matrix they are not worth having. Imports no llama_cpp.
"""

from __future__ import annotations

import asyncio
import difflib
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from wiz_kernel_ext.children.child import OnNotice, OnProgress
from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.making.target import check_target, sweep
from wiz_kernel_ext.making.write_model import write_in_child

# llama.cpp's number of the file type (llama_ftype), largest first.
QUANTS: Mapping[str, int] = {
    "BF16": 32,
    "F16": 1,
    "Q8_0": 7,
    "Q6_K": 18,
    "Q5_K_M": 17,
    "Q4_K_M": 15,
    "Q4_0": 2,
    "IQ4_XS": 30,
}


class QuantizationReport(msgspec.Struct, frozen=True, kw_only=True):
    """A finished quantization; sizes in bytes."""

    path: Path
    quant: str
    size_bytes: int
    source_size_bytes: int
    n_tensors: int
    duration_s: float
    notices: list[str] = []


def check_quant(name: str) -> str:
    """The type that `name` means, in capitals; raises BadRequest naming the ones there are."""
    quant = name.upper()
    if quant not in QUANTS:
        near = difflib.get_close_matches(quant, QUANTS, n=1)
        raise BadRequest(
            f"There is no quantizing to {name!r}.",
            hint=(f"Did you mean {near[0]}? " if near else "") + f"There are {', '.join(QUANTS)}.",
            field="quant",
        )
    return quant


async def quantize(
    source: Path,
    target: Path,
    quant: str,
    *,
    on_progress: OnProgress | None = None,
    on_notice: OnNotice | None = None,
    cancelled: asyncio.Event | None = None,
    overwrite: bool = False,
    threads: int | None = None,
) -> QuantizationReport:
    """Write `source` (F32, F16 or BF16) to `target`, quantized.

    `on_progress(done, total)` is in bytes of the source's tensors. A split model is named by its
    first part and becomes one file. Raises ConversionRefused (quantized already, not a model),
    ConversionFailed, Conflict (the target exists), ModelFileNotFound and OperationCancelled; in
    each case `target` is as it was before.
    """
    check_target(target, overwrite)
    sweep(target)
    command = [*_command(source, quant), "--out", str(target), "--tied"]
    if overwrite:
        command.append("--overwrite")
    if threads is not None:
        command.append(f"--threads={threads}")
    return await write_in_child(
        command,
        target,
        QuantizationReport,
        what=f"Quantizing {source}",
        on_progress=on_progress,
        on_notice=on_notice,
        cancelled=cancelled,
    )


async def estimate_quantized(source: Path, quant: str) -> int:
    """The size in bytes that quantizing would give, within some kB; raises as `quantize` would."""
    command = [*_command(source, quant), "--tied"]
    return await write_in_child(command, source, int, what=f"Measuring {source}")


def _command(source: Path, quant: str) -> list[str]:
    module = "wiz_kernel_ext.making.quantize_child"
    return [sys.executable, "-m", module, str(source), check_quant(quant)]
