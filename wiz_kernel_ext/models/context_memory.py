"""What a loaded model keeps in memory for its conversations, by its file and its context."""

from __future__ import annotations

from pathlib import Path

from wiz_kernel_ext.gguf_file.shape import model_shape
from wiz_kernel_ext.models.fit import Use, kv_bytes
from wiz_kernel_ext.models.headers import header_of
from wiz_kernel_ext.protocol.results import ContextInfo


def context_bytes(path: Path, context: ContextInfo) -> int:
    """The KV memory of `context`; from the file's header. Raises GgufInvalid, ModelFileNotFound."""
    shape = model_shape(header_of(path))
    cells = Use(context_size=context.pool_size, sequences=1, kv_type=context.kv_type)
    return kv_bytes(shape, cells) + 4 * shape.state_values * (context.sequences - 1)
