"""The file to be written: may it be, is there room, and what it is called until it is whole.

Conversion and quantizing ask; both ends of their children know the name of the part.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

import psutil

from wiz_kernel_ext.errors import BadRequest, Conflict, ConversionFailed, NotPermitted
from wiz_kernel_ext.folders import entries, is_folder, may_write, status
from wiz_kernel_ext.sizes import size

_LONGEST_NAME_BYTES = 255
SPARE_BYTES = 64 << 20


def check_target(target: Path, overwrite: bool) -> None:
    """Raise Conflict when `target` is there and not to be overwritten; make its folder."""
    longest = os.fsencode(part_file(target, 10**7 - 1).name)
    if len(longest) > _LONGEST_NAME_BYTES:
        raise BadRequest(
            f"{target.name[:40]}… is too long for a file's name, by "
            f"{len(longest) - _LONGEST_NAME_BYTES} bytes.",
            hint="Name a shorter one: `--output FILE`.",
            field="output",
        )
    if is_folder(target):
        raise BadRequest(f"{target} is a folder.", hint="Name the .gguf file to write.")
    if status(target) is not None and not overwrite:
        raise Conflict(
            f"{target} exists already.",
            hint=f"If it is what you want: `wiz load {target}`. Else name another file "
            "(`--output FILE`), or overwrite it (`--overwrite`).",
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
    if not may_write(target.parent):
        raise NotPermitted(
            f"{target} cannot be written: you may not write in its folder.",
            hint="Choose another place: `--output FILE`, or let it be written: "
            f"`chmod u+w {target.parent}`.",
            path=str(target),
        )


def check_space(target: Path, size_bytes: int) -> None:
    """Raise ConversionFailed when the disk of `target` has no room for `size_bytes`."""
    free = shutil.disk_usage(target.parent).free
    if free < size_bytes + SPARE_BYTES:
        raise ConversionFailed(
            f"{target} needs {size(size_bytes)}; its disk has {size(free)} free, of which "
            f"{size(SPARE_BYTES)} are left to others.",
            hint="Make room, choose another place, or a smaller type.",
            target=str(target),
            needed_bytes=size_bytes,
            free_bytes=free,
        )


def part_file(target: Path, pid: int) -> Path:
    """The name a file has until it is whole: hidden, its writer's."""
    return target.with_name(f".{target.name}.{pid}.part")


def sweep(target: Path) -> None:
    """Remove the parts of `target` whose writers are gone, as a power cut leaves them."""
    start, end = f".{target.name}.", ".part"
    for path in entries(target.parent):
        pid = path.name.removeprefix(start).removesuffix(end)
        ours = path.name == f"{start}{pid}{end}" and pid.isdecimal()
        if ours and not psutil.pid_exists(int(pid)):
            discard(path)


def discard(part: Path) -> None:
    """Remove a part file, if it is there."""
    with contextlib.suppress(OSError):
        part.unlink(missing_ok=True)
