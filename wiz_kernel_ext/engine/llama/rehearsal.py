"""`python -m wiz_kernel_ext.engine.llama.rehearsal FILE CELLS SEQUENCE_IDS BATCH KV_TYPE FLASH`.

Makes a context on a model without its weights and prints the bytes of KV memory and of the compute
buffer that llama.cpp says it would take. A process of its own: the file is a stranger's, and the
library ends the process on some.
"""

from __future__ import annotations

import json
import re
import sys

from wiz_kernel_ext.engine.backend import ContextParameters
from wiz_kernel_ext.out_of_memory import go_first

_MIB = 1 << 20
_KV = re.compile(r"llama_kv_cache\w*: +size = +([\d.]+) MiB")
_STATE = re.compile(r"llama_memory_recurrent: +size = +([\d.]+) MiB")
_BUFFER = re.compile(r"(?:compute|output) +buffer size = +([\d.]+) MiB")


def figures(lines: list[str]) -> dict[str, int]:
    """The bytes that the library's lines name; empty where they name none."""
    text = "\n".join(lines)
    kept = [float(size) for size in [*_KV.findall(text), *_STATE.findall(text)]]
    buffers = [float(size) for size in _BUFFER.findall(text)]
    if not buffers:
        return {}
    return {"kv": int(sum(kept) * _MIB), "compute": int(sum(buffers) * _MIB)}


def main(path: str, cells: str, sequence_ids: str, batch: str, kv_type: str, flash: str) -> None:
    """Print the figures as JSON."""
    from wiz_kernel_ext.engine.llama.backend import rehearse

    go_first()
    parameters = ContextParameters(
        pool_size=int(cells),
        sequence_ids=int(sequence_ids),
        batch_size=int(batch),
        threads=1,
        kv_type=kv_type,
        flash_attention=flash == "1",
    )
    print(json.dumps(figures(rehearse(path, parameters))))


if __name__ == "__main__":
    main(*sys.argv[1:])
