"""The file to be written: may it be, and is there room. Conversion and quantizing ask first."""

from __future__ import annotations

import shutil
from pathlib import Path

from wiz_kernel_ext.errors import BadRequest, Conflict, ConversionFailed

SPARE_BYTES = 64 << 20


def check_target(target: Path, overwrite: bool) -> None:
    """Raise Conflict when `target` is there and not to be overwritten; make its folder."""
    if target.is_dir():
        raise BadRequest(f"{target} is a folder.", hint="Name the .gguf file to write.")
    if target.exists() and not overwrite:
        raise Conflict(
            f"{target} exists already.",
            hint="Choose another name, or overwrite it (--overwrite).",
            target=str(target),
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConversionFailed(
            f"The folder {target.parent} cannot be made: {error.strerror or error}.",
            hint="Choose another place.",
            target=str(target),
        ) from None


def check_space(target: Path, size_bytes: int) -> None:
    """Raise ConversionFailed when the disk of `target` has no room for `size_bytes`."""
    free = shutil.disk_usage(target.parent).free
    if free < size_bytes + SPARE_BYTES:
        raise ConversionFailed(
            f"{target} needs {size_bytes / 1e9:.1f} GB, and its disk has {free / 1e9:.1f} GB free.",
            hint="Make room, choose another place, or a smaller type.",
            target=str(target),
            needed_bytes=size_bytes,
            free_bytes=free,
        )
