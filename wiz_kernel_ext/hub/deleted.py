"""What was said to be deleted and is there still."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from wiz_kernel_ext.errors import NotPermitted
from wiz_kernel_ext.folders import may_write
from wiz_kernel_ext.sizes import size


def refuse_what_is_left(n_files: int, left: Sequence[str], freed_bytes: int) -> None:
    """Raise NotPermitted, telling what was deleted all the same, where some of it is `left`."""
    if not left:
        return
    folder = Path(left[0]).parent
    n_gone = n_files - len(left)
    gone = f"{n_gone} of {n_files} files were" if n_gone > 0 else "Nothing was"
    freed = f", {size(freed_bytes)} freed" if freed_bytes else ""
    raise NotPermitted(
        f"{gone} deleted{freed}: {left[0]} could not be, {_why(folder)}.",
        hint=f"Let it be written (`chmod u+w {folder}`), or ask whose it is, and delete it again.",
        path=left[0],
        left=list(left),
        freed_bytes=freed_bytes,
    )


def _why(folder: Path) -> str:
    try:
        if os.statvfs(folder).f_flag & os.ST_RDONLY:
            return "its disk is mounted read-only"
    except OSError:
        return "its folder cannot be looked into"
    return "it is kept there" if may_write(folder) else "you may not write in its folder"
