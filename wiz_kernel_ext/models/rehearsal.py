"""Asks the engine itself what a model would take, in a child process that loads no weights.

The engine is started by command line; where it has no answer, the sums of `fit` stand.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from wiz_kernel_ext.children.child import child_environment, run_child
from wiz_kernel_ext.models.fit import Use

_REHEARSAL = "wiz_kernel_ext.engine.llama.rehearsal"
_TIMEOUT_S = 20.0


async def rehearse(file: Path, use: Use, n_ctx_train: int) -> tuple[int, int] | None:
    """The bytes of KV memory and compute buffer for `file`, which may be a skeleton."""
    cells, flash = use.cells_for(n_ctx_train), "1" if use.flash_attention else "0"
    said: list[str] = []
    child = run_child(
        [
            *(sys.executable, "-m", _REHEARSAL, str(file), str(cells), str(use.sequence_ids())),
            *(str(use.batch_size), use.kv_type, flash),
        ],
        what="The rehearsal",
        on_output=said.append,
        environment={**child_environment(), "GGML_NO_BACKTRACE": "1"},
    )
    try:
        await asyncio.wait_for(child, _TIMEOUT_S)
    except asyncio.TimeoutError:
        return None
    try:
        figures = json.loads(said[-1])
        return int(figures["kv"]), int(figures["compute"])
    except (ValueError, LookupError, TypeError):
        return None
