"""Deletes models from this machine: the hub's by its cache's own strategies, ours as files."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

from wiz_kernel_ext.folders import size_of
from wiz_kernel_ext.hub.deleted import refuse_what_is_left
from wiz_kernel_ext.hub.fetch.tasks import DeleteFiles
from wiz_kernel_ext.hub.run_task import run_task
from wiz_kernel_ext.models.hub_cache import cache_folder, snapshots
from wiz_kernel_ext.models.library import Library
from wiz_kernel_ext.models.places import FoundModel
from wiz_kernel_ext.protocol.hub import Deletion

_OWNERS = {
    "lm-studio": "LM Studio",
    "llama.cpp": "llama.cpp",
    "ollama": "Ollama",
    "demo": "this package",
}


async def remove(
    library: Library,
    model: str,
    *,
    only_ask: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Deletion:
    """Delete a model's files, or say what that would free.

    What belongs to another tool is never deleted: `allowed` is False then, with the reason.
    What was freed is what is gone. Raises NotFound for a model that is not here, NotPermitted where
    something of it could not be deleted, telling what was.
    """
    found = await asyncio.to_thread(library.named, model)
    files = [str(path) for path in found.paths]
    if owner := _OWNERS.get(found.origin):
        reason = f"It belongs to {owner}."
        return Deletion(name=found.name, files=files, allowed=False, reason=reason)
    if found.repo is None and any(path.suffix.lower() != ".gguf" for path in found.paths):
        reason = "It is no .gguf file."
        return Deletion(name=found.name, files=files, allowed=False, reason=reason)
    if found.repo is not None:
        paths = await asyncio.to_thread(_same_blobs, found, environment)
        task = DeleteFiles(repo=found.repo, paths=paths, only_ask=only_ask)
        freed = await run_task(task, int, environment=environment)
    else:
        freed = found.size_bytes
        if not only_ask:
            freed = await asyncio.to_thread(_unlink, found.paths)
    return Deletion(name=found.name, files=files, freed_bytes=freed)


def _same_blobs(found: FoundModel, environment: Mapping[str, str] | None) -> list[str]:
    """All paths in the cache that link what this model's files link: else nothing is freed."""
    wanted = {os.path.realpath(path) for path in found.paths}
    return [
        str(path)
        for snapshot in snapshots(cache_folder(environment), found.repo)
        for path in snapshot.ggufs().values()
        if os.path.realpath(path) in wanted
    ]


def _unlink(paths: list[Path]) -> int:
    """Delete files; the bytes that are free now. Raises NotPermitted telling what is."""
    freed, left = 0, []
    for path in paths:
        size_bytes = size_of(path)
        try:
            path.unlink(missing_ok=True)
            freed += size_bytes
        except OSError:
            left.append(str(path))
    refuse_what_is_left(len(paths), left, freed)
    return freed
