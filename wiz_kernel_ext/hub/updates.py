"""Whether the hub has newer versions of the models on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import msgspec

from wiz_kernel_ext.hub.fetch.tasks import AskUpstream
from wiz_kernel_ext.hub.run_task import run_task
from wiz_kernel_ext.models.hub_cache import cache_folder, checksum_of
from wiz_kernel_ext.models.places import hub_models
from wiz_kernel_ext.protocol.hub import LibraryModel


async def with_updates(
    models: list[LibraryModel], *, environment: Mapping[str, str] | None = None
) -> list[LibraryModel]:
    """`models`, each with whether the hub has a newer one; raises HubUnreachable."""
    ours: dict[str, dict[str, str]] = {}
    cache = cache_folder(environment)
    for found in await asyncio.to_thread(list, hub_models(cache)):
        of_repo = ours.setdefault(found.repo or "", {})
        for file, path in zip(found.files, found.paths, strict=True):
            of_repo.setdefault(file, checksum_of(path))
    if not ours:
        return models
    task = AskUpstream(files={repo: list(files) for repo, files in ours.items()})
    answer = await run_task(task, dict[str, dict[str, str]], environment=environment)
    return [
        msgspec.structs.replace(
            model, newer=_is_newer(_checksums(model), answer.get(model.repo or ""))
        )
        for model in models
    ]


def _checksums(model: LibraryModel) -> dict[str, str]:
    """Paths in the repository to checksums, of a listed model's first file."""
    if model.commit is None:
        return {}
    path = Path(model.path)
    file = model.path.rpartition(f"/{model.commit}/")[2]
    return {file: checksum_of(path)}


def _is_newer(ours: dict[str, str], upstream: dict[str, str] | None) -> bool | None:
    for file, checksum in ours.items():
        theirs = (upstream or {}).get(file)
        if checksum and theirs:
            return theirs != checksum
    return None
