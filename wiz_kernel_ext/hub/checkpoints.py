"""The safetensors checkpoint of a repository, fetched whole into the standard cache.

Knows which of a repository's files a conversion reads. Called by the service before it converts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from wiz_kernel_ext.errors import HubNotFound
from wiz_kernel_ext.hub.child import OnNotice, OnProgress, carry_out, ignore
from wiz_kernel_ext.hub.fetch.messages import Download, ListRepo, RepoContents
from wiz_kernel_ext.hub.names import ModelName

_TEXTS = (".json", ".jinja", ".txt", ".model")
_MAX_TEXT_BYTES = 64 << 20


def checkpoint_files(contents: RepoContents) -> list[str]:
    """The files at the top of a repository that a conversion reads, `config.json` first."""
    top = [file for file in contents.files if "/" not in file.path]
    weights = [file.path for file in top if file.path.endswith(".safetensors")]
    texts = [
        file.path
        for file in top
        if file.path.endswith(_TEXTS) and file.size_bytes <= _MAX_TEXT_BYTES
    ]
    if not weights or "config.json" not in texts:
        return []
    return ["config.json", *(path for path in texts if path != "config.json"), *weights]


async def fetch_checkpoint(
    name: ModelName,
    *,
    on_progress: OnProgress,
    cancelled: asyncio.Event,
    on_notice: OnNotice = ignore,
    environment: Mapping[str, str] | None = None,
) -> tuple[Path, str]:
    """The folder of a repository's checkpoint in the cache, and its commit.

    Goes on where an earlier one stopped. Raises HubNotFound where there is no checkpoint, and what
    a download raises.
    """
    contents = await carry_out(
        ListRepo(repo=name.repo, revision=name.revision),
        RepoContents,
        cancelled=cancelled,
        environment=environment,
    )
    files = checkpoint_files(contents)
    if not files:
        raise HubNotFound(
            f"{name.repo} has no safetensors checkpoint (config.json and *.safetensors).",
            hint="Name a repository that has one, or a folder on this machine.",
            repo=name.repo,
        )
    config = await carry_out(
        Download(repo=name.repo, files=files, revision=contents.commit),
        str,
        on_progress=on_progress,
        on_notice=on_notice,
        cancelled=cancelled,
        environment=environment,
    )
    return Path(config).parent, contents.commit
