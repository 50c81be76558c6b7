"""Hands a checkpoint to the converter of a llama.cpp checkout that the user names.

Knows its command line and its progress bar. It runs in a process of its own, by an interpreter
that has its dependencies (torch, transformers); nothing of it is imported here.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
from pathlib import Path

from wiz_kernel_ext import surroundings
from wiz_kernel_ext.children.child import OnProgress, run_child
from wiz_kernel_ext.errors import BadRequest, ConversionFailed, ModelFileNotFound
from wiz_kernel_ext.folders import entries, is_file, size_of
from wiz_kernel_ext.making.convert.report import ConversionReport
from wiz_kernel_ext.making.target import check_space, check_target, discard, part_file

SCRIPT = "convert_hf_to_gguf.py"
FILES = ("tokenizer.model", "vocab.json", "merges.txt", "added_tokens.json", "*_config.json")
"""What its converter may read of a repository, beside what ours reads."""
_PERCENT = re.compile(r"^Writing:\s+(\d{1,3})%")


def checkout_for_refused() -> Path | None:
    """The checkout named for good, to which goes what this package's converter refuses."""
    named = surroundings.environment().get("LLAMA_CPP_DIR")
    return find_checkout(Path(named)) if named else None


def find_checkout(folder: Path) -> Path:
    """The folder of the converter's script; raises BadRequest when it is not there."""
    folder = Path(os.path.expanduser(folder))  # noqa: PTH111 - Path's raises for an unknown user
    if not is_file(folder / SCRIPT):
        raise BadRequest(
            f"There is no {SCRIPT} in {folder}.",
            hint="Name a checkout of llama.cpp (`--llama-cpp FOLDER`, or LLAMA_CPP_DIR).",
            field="llama_cpp",
        )
    return folder


def _interpreter(checkout: Path) -> Path:
    """The checkout's own environment if it has one, else this process's interpreter."""
    for folder in (".venv", "venv"):
        candidate = checkout / folder / "bin" / "python"
        if candidate.exists():
            return candidate
    return Path(sys.executable)


def _weights_bytes(source: Path) -> int:
    """The size of the checkpoint's weights; raises ModelFileNotFound for no folder."""
    if not source.is_dir():
        raise ModelFileNotFound(f"There is no folder {source}.", hint="Give the model's folder.")
    return sum(size_of(f) for f in entries(source) if f.suffix in (".safetensors", ".bin"))


async def convert_with_llama_cpp(
    checkout: Path,
    source: Path,
    target: Path,
    *,
    outtype: str,
    on_progress: OnProgress | None = None,
    cancelled: asyncio.Event | None = None,
    overwrite: bool = False,
    python: Path | None = None,
) -> ConversionReport:
    """Have the script in `checkout` convert `source` to `target`; same errors as `convert`.

    Progress is in bytes of the checkpoint, as far as the script's percentages tell.
    """
    check_target(target, overwrite)
    total = _weights_bytes(source)
    check_space(target, total)
    part = part_file(target, os.getpid())  # the child's process id is not known yet
    command = [str(python or _interpreter(checkout)), str(checkout / SCRIPT), str(source)]
    command += ["--outfile", str(part), "--outtype", outtype]

    def on_line(line: str) -> None:
        match = _PERCENT.match(line.strip())
        if match and on_progress is not None:
            on_progress(total * min(100, int(match[1])) // 100, total)

    began = time.monotonic()
    try:
        ended = await run_child(
            command,
            what=f"The conversion of {source}",
            on_output=on_line,
            on_complaint=on_line,
            cancelled=cancelled,
        )
        if ended.returncode or not part.is_file():
            reason = ended.log[-1] if ended.log else f"exit code {ended.returncode}"
            raise ConversionFailed(
                f"llama.cpp's converter did not convert {source}: {reason}",
                hint="See that its interpreter has its requirements, or name another (python=…).",
                source=str(source),
                log=ended.log,
            )
        size = part.stat().st_size
        part.replace(target)
    finally:
        discard(part)
    return ConversionReport(
        path=target,
        size_bytes=size,
        source_size_bytes=total,
        duration_s=time.monotonic() - began,
        outtype=outtype,
        converter=str(checkout / SCRIPT),
    )
