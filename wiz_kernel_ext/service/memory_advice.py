"""What to do about a model that took more memory than there is: in commands, never "run it again".

Pure.
"""

from __future__ import annotations

import shlex

from wiz_kernel_ext.protocol.context_defaults import CONTEXT_SIZE, SEQUENCES

RAN_OUT = "the system ran out of memory"
MEMORY_WAS_LOW = "memory was low, and it was not in use"
SMALLER_FILE = "a smaller file (another quantization, or another model)"
LESS = "Unload other models (`wiz unload MODEL`) or let go of large variables, then load it again."
_SMALLEST_CONTEXT = 512


def smaller(path: str, context_size: int | None, sequences: int | None, *, weights: bool) -> str:
    """How to load the model at `path` with less than it had, or was to have; None: the default.

    `weights`: they alone were too much, so no smaller context would have helped.
    """
    if weights:
        return f"Your variables and the conversation are safe. Take {SMALLER_FILE}. {LESS}"
    command = f"wiz load {shlex.quote(path)}"
    ways = []
    if (half := (context_size or CONTEXT_SIZE) // 2) >= _SMALLEST_CONTEXT:
        ways.append(f"a smaller context (`{command} --ctx {half}`)")
    if (sequences or SEQUENCES) > 1:
        ways.append(f"one conversation at a time (`{command} --seqs 1`)")
    ways.append(SMALLER_FILE)
    *first, last = ways
    listed = f"{', '.join(first)} or {last}" if first else last
    return f"Your variables and the conversation are safe. Less memory is enough for {listed}."
