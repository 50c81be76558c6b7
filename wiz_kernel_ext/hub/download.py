"""Download a model from a hub into the standard Hugging Face cache.

Knows the child process that does it, not huggingface_hub. Called by the service, where a download
is an operation that all who ask for the same file share, and by the in-process worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from wiz_kernel_ext.children.child import OnNotice, OnProgress, ignore
from wiz_kernel_ext.errors import HubNotFound
from wiz_kernel_ext.hub.fetch.tasks import DiscardParts, Download
from wiz_kernel_ext.hub.run_task import run_task
from wiz_kernel_ext.hub.search import find_model
from wiz_kernel_ext.models.names import ModelName, make_name, parse_name
from wiz_kernel_ext.models.repo_files import split_parts

PATIENCE_S = 300.0


async def download(
    repo: str,
    file: str,
    revision: str | None = None,
    *,
    on_progress: OnProgress,
    cancelled: asyncio.Event,
    on_notice: OnNotice = ignore,
    limit_bytes_per_s: float | None = None,
    environment: Mapping[str, str] | None = None,
    patience_s: float = PATIENCE_S,
) -> str:
    """Fetch `file` of `repo`, with all its parts if it is one of a split model.

    Ends in the path of the (first) file in the cache: one of a snapshot, never to be resolved, as
    parts are found by their names. Goes on where an earlier one stopped. `on_progress(done, total)`
    is called in bytes, about ten times a second. Raises BadRequest before anything is sent,
    OperationCancelled, HubNotFound, HubAccessDenied, HubUnreachable, DownloadFailed and its kinds;
    given up after `patience_s` without a new byte.
    """
    name = make_name(repo, file, revision)
    task = Download(
        repo=name.repo,
        files=split_parts(file) or [file],
        revision=name.revision,
        limit_bytes_per_s=limit_bytes_per_s,
        patience_s=patience_s,
    )
    return await run_task(
        task,
        str,
        on_progress=on_progress,
        on_notice=on_notice,
        cancelled=cancelled,
        environment=environment,
    )


async def pull(
    model: str | ModelName,
    *,
    on_progress: OnProgress,
    cancelled: asyncio.Event,
    on_notice: OnNotice = ignore,
    limit_bytes_per_s: float | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Download the model that a name on the hub means; the path of its (first) file.

    As `download`; a name without a file is looked up in the repository first, which may raise
    AmbiguousModel with the choices. A name that is found on this machine is `Library.resolve`'s.
    """
    name = parse_name(model) if isinstance(model, str) else model
    file = name.file
    if file is None:
        file = (await find_model(name, cancelled=cancelled, environment=environment)).files[0].path
    try:
        return await download(
            name.repo,
            file,
            name.revision,
            on_progress=on_progress,
            on_notice=on_notice,
            cancelled=cancelled,
            limit_bytes_per_s=limit_bytes_per_s,
            environment=environment,
        )
    except HubNotFound:
        # A slip in a file's name: what there is helps more than that it is not there.
        await find_model(name, cancelled=cancelled, environment=environment)
        raise


async def discard(name: ModelName, *, environment: Mapping[str, str] | None = None) -> int:
    """Delete what came so far of a model that is not here yet; returns the bytes freed.

    Raises Conflict while another process fetches it, and what looking it up raises.
    """
    file = name.file
    if file is None:
        file = (await find_model(name, environment=environment)).files[0].path
    files = split_parts(file) or [file]
    task = DiscardParts(repo=name.repo, files=files, revision=name.revision)
    return await run_task(task, int, environment=environment)


def download_key(repo: str, file: str, revision: str | None = None) -> str:
    """What two requests have in common if they are for the same transfer."""
    parts = split_parts(file)
    return str(make_name(repo, parts[0] if parts else file, revision))
