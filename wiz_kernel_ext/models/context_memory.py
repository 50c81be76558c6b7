"""What a loaded model keeps in memory for its conversations, by its file and its context."""

from __future__ import annotations

from pathlib import Path

from wiz_kernel_ext.gguf_file.header import read_file_header
from wiz_kernel_ext.gguf_file.shape import model_shape
from wiz_kernel_ext.models.fit import Use, kv_bytes
from wiz_kernel_ext.protocol.results import ContextInfo


def context_bytes(path: Path, context: ContextInfo) -> int:
    """The KV memory of `context`; reads the file's header. Raises GgufInvalid, OSError."""
    shape = model_shape(read_file_header(path))
    cells = Use(context_size=context.pool_size, sequences=1, kv_type=context.kv_type)
    return kv_bytes(shape, cells) + 4 * shape.state_values * (context.sequences - 1)
