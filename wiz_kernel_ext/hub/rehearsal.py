"""Asks the engine itself what a model would take, in a child process that loads no weights.

The engine is started by command line; where it has no answer, the sums of `fit` stand.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from pathlib import Path

import wiz_kernel_ext
from wiz_kernel_ext.hub.fit import Use

_REHEARSAL = "wiz_kernel_ext.engine.rehearsal"
_TIMEOUT_S = 20.0


async def rehearse(file: Path, use: Use, n_ctx_train: int) -> tuple[int, int] | None:
    """The bytes of KV memory and compute buffer for `file`, which may be a skeleton."""
    cells, flash = use.cells_for(n_ctx_train), "1" if use.flash_attention else "0"
    package = os.fspath(Path(wiz_kernel_ext.__file__).parents[1])
    path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH", "")]))
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", _REHEARSAL, str(file), str(cells), str(use.sequence_ids())),
        *(str(use.batch_size), use.kv_type, flash),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path, "GGML_NO_BACKTRACE": "1"},
        start_new_session=True,
    )
    try:
        said, _ = await asyncio.wait_for(child.communicate(), _TIMEOUT_S)
    except asyncio.TimeoutError:
        return None
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()
    try:
        figures = json.loads(said)
        return int(figures["kv"]), int(figures["compute"])
    except (ValueError, KeyError, TypeError):
        return None
