"""A checkpoint to a GGUF, asked for from the service: the size before, and the work in a child.

Knows when to use this package's converter and when the llama.cpp checkout the user names. Imports
neither numpy nor gguf.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from wiz_kernel_ext.children.child import OnNotice, OnProgress
from wiz_kernel_ext.errors import ConversionRefused
from wiz_kernel_ext.making.convert.adapter_plan import is_adapter
from wiz_kernel_ext.making.convert.handover import (
    checkout_for_refused,
    convert_with_llama_cpp,
    find_checkout,
)
from wiz_kernel_ext.making.convert.plan import check_out_type, make_plan
from wiz_kernel_ext.making.convert.report import ConversionReport
from wiz_kernel_ext.making.target import check_target, sweep
from wiz_kernel_ext.making.write_model import write_in_child


def estimate(source: Path, outtype: str = "bf16") -> int:
    """The GGUF's size in bytes, before converting; raises ConversionRefused as converting would.

    Reads only headers. The tokenizer is looked at when converting, not here.
    """
    return make_plan(source, outtype).size_bytes


async def convert(
    source: Path,
    target: Path,
    *,
    outtype: str = "bf16",
    on_progress: OnProgress | None = None,
    on_notice: OnNotice | None = None,
    cancelled: asyncio.Event | None = None,
    name: str | None = None,
    repo: str | None = None,
    commit: str | None = None,
    overwrite: bool = False,
    llama_cpp_dir: Path | None = None,
    python: Path | None = None,
    base: Path | None = None,
) -> ConversionReport:
    """Convert the checkpoint folder `source` to the GGUF `target`, of type f32, f16, bf16 or q8_0.

    Where it is a PEFT adapter's, `base` is its model, a folder or a GGUF; None: as it says itself.

    `on_progress(done, total)` is in bytes of the checkpoint. With `llama_cpp_dir` the converter of
    that llama.cpp checkout does it (run by `python`); with LLAMA_CPP_DIR in the environment it does
    what this one refuses. Raises ConversionRefused, ConversionFailed, Conflict (the target exists)
    and OperationCancelled; in each case `target` is as it was before.
    """
    kind = check_out_type(outtype).lower()
    check_target(target, overwrite)
    sweep(target)
    if llama_cpp_dir is not None:
        checkout = find_checkout(llama_cpp_dir)
    else:
        command = [sys.executable, "-m", "wiz_kernel_ext.making.convert", str(source), str(target)]
        command += ["--type", kind, "--tied"]
        named_options = {"--name": name, "--repo": repo, "--commit": commit, "--base": base}
        for option, value in named_options.items():
            if value:
                command.append(f"{option}={value}")
        if overwrite:
            command.append("--overwrite")
        try:
            return await write_in_child(
                command,
                target,
                ConversionReport,
                what=f"The conversion of {source}",
                on_progress=on_progress,
                on_notice=on_notice,
                cancelled=cancelled,
            )
        except ConversionRefused as refusal:
            named = checkout_for_refused()
            if named is None or is_adapter(source):
                raise
            checkout = named
            if on_notice is not None:
                on_notice(f"{refusal.message} Handing it to llama.cpp's converter in {named}.")
    return await convert_with_llama_cpp(
        checkout,
        source,
        target,
        outtype=kind,
        on_progress=on_progress,
        cancelled=cancelled,
        overwrite=overwrite,
        python=python,
    )
