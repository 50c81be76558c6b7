"""What a GGUF says of itself, here or on the hub, without loading it."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from pathlib import Path

from wiz_kernel_ext.hub.search import find_header
from wiz_kernel_ext.models.fit import Use
from wiz_kernel_ext.models.inspection import described, inspect_file, rehearsed
from wiz_kernel_ext.models.names import ModelName
from wiz_kernel_ext.protocol.hub import Inspection


async def inspect(
    model: Path | ModelName,
    context_size: int | None = None,
    *,
    environment: Mapping[str, str] | None = None,
) -> Inspection:
    """Look into `model`, as `Library.resolve` gives it: a file, or a name on the hub.

    Of a remote one only the header is fetched, some MB at most. Raises GgufInvalid,
    ModelFileNotFound, HubNotFound, AmbiguousModel, HubAccessDenied, HubUnreachable.
    """
    use = Use(context_size=context_size)
    if isinstance(model, Path):
        inspection = await asyncio.to_thread(inspect_file, model, use)
        return await rehearsed(inspection, model, use)
    with tempfile.TemporaryDirectory(prefix="wiz-header-") as folder:
        skeleton = Path(folder) / "model.gguf"
        found, header = await find_header(model, skeleton, environment=environment)
        inspection = described(found.name, "", header, found.size_bytes, use)
        return await rehearsed(inspection, skeleton, use)
