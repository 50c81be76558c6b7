"""The safetensors checkpoint of a repository, fetched whole into the standard cache.

Knows which of a repository's files a conversion reads. Called by the service before it converts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from wiz_kernel_ext.children.child import OnNotice, OnProgress, ignore
from wiz_kernel_ext.errors import BadRequest, HubNotFound, HubUnreachable
from wiz_kernel_ext.folders import is_file
from wiz_kernel_ext.hub.fetch.tasks import Download, ListRepo, RepoContents
from wiz_kernel_ext.hub.offline import cached_contents
from wiz_kernel_ext.hub.run_task import run_task
from wiz_kernel_ext.making.convert import CHECKPOINT_FILES, LLAMA_CPP_FILES, check_supported
from wiz_kernel_ext.models.hub_cache import cache_folder, snapshots
from wiz_kernel_ext.models.names import ModelName, parse_name

_WEIGHTS = ".safetensors"


def checkpoint_files(contents: RepoContents, *, for_llama_cpp: bool = False) -> list[str]:
    """The files of a repository that a conversion reads, `config.json` first; [] if it has none."""
    patterns = (*CHECKPOINT_FILES, *(LLAMA_CPP_FILES if for_llama_cpp else ()))
    paths = [
        file.path
        for file in contents.files
        if any(fnmatchcase(file.path, pattern) for pattern in patterns)
        and file.path.count("/") <= 1
    ]
    if "config.json" not in paths or not any(path.endswith(_WEIGHTS) for path in paths):
        return []
    return sorted(paths, key=lambda path: (path != "config.json", path.endswith(_WEIGHTS), path))


def checkpoint_here(name: str, environment: Mapping[str, str] | None = None) -> Path | None:
    """The folder of a repository in the cache that has its configuration; None where none has."""
    try:
        repo = parse_name(name).repo
    except BadRequest:
        return None
    folders = (snapshot.folder for snapshot in snapshots(cache_folder(environment), repo))
    return next((folder for folder in folders if is_file(folder / "config.json")), None)


async def fetch_checkpoint(
    name: ModelName,
    *,
    on_progress: OnProgress,
    cancelled: asyncio.Event,
    on_notice: OnNotice = ignore,
    environment: Mapping[str, str] | None = None,
    for_llama_cpp: bool = False,
) -> tuple[Path, str]:
    """The folder of a repository's checkpoint in the cache, and its commit.

    Its configuration comes first, and what cannot be converted is refused before the weights are
    fetched; llama.cpp's own converter may take more, and reads more files. Goes on where an earlier
    one stopped. Raises HubNotFound where there is no checkpoint, ConversionRefused, and what a
    download raises.
    """
    task = ListRepo(repo=name.repo, revision=name.revision)
    try:
        contents = await run_task(task, RepoContents, cancelled=cancelled, environment=environment)
    except HubUnreachable:
        cached = await asyncio.to_thread(cached_contents, name, environment)
        if cached is None or not checkpoint_files(cached):
            raise
        contents = cached
        on_notice("The hub was not asked: this is the checkpoint that was fetched before.")
    files = checkpoint_files(contents, for_llama_cpp=for_llama_cpp)
    if not files:
        raise HubNotFound(
            f"{name.repo} has no safetensors checkpoint (config.json and *.safetensors).",
            hint="Name a repository that has one, or a folder on this machine.",
            repo=name.repo,
        )

    async def fetch(paths: list[str]) -> Path:
        task = Download(repo=name.repo, files=paths, revision=contents.commit)
        first = await run_task(
            task,
            str,
            on_progress=on_progress,
            on_notice=on_notice,
            cancelled=cancelled,
            environment=environment,
        )
        return Path(first).parent

    folder = await fetch([path for path in files if not path.endswith(_WEIGHTS)])
    if not for_llama_cpp:
        await asyncio.to_thread(check_supported, folder)
    await fetch([path for path in files if path.endswith(_WEIGHTS)])
    return folder, contents.commit
