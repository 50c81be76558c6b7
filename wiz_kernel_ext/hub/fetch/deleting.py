"""Deletes from the cache the way its layout wants it: by huggingface_hub's own strategies.

A blob goes only when no snapshot needs it; blobs may be shared by the whole cache.
"""

from __future__ import annotations

import contextlib
import os
from functools import partial
from pathlib import Path

from huggingface_hub import get_hf_file_metadata, hf_hub_url, scan_cache_dir

from wiz_kernel_ext.errors import BadRequest, Conflict, NotFound, not_permitted
from wiz_kernel_ext.hub.deleted import refuse_what_is_left
from wiz_kernel_ext.hub.fetch.cache import RepoCache, is_etag
from wiz_kernel_ext.hub.fetch.failures import Subject
from wiz_kernel_ext.hub.fetch.retrying import Say, asked
from wiz_kernel_ext.hub.fetch.tasks import DeleteFiles, DiscardParts


def delete_files(task: DeleteFiles) -> int:
    """Delete, or only say how many bytes that would free; what was freed is what is gone.

    Raises NotFound, BadRequest, NotPermitted telling what was deleted all the same.
    """
    try:
        cache = scan_cache_dir()
    except OSError as error:
        raise not_permitted(error) or error from None
    wanted = set(task.paths)
    repos = [r for r in cache.repos if r.repo_type == "model" and r.repo_id == task.repo]
    revisions = [revision for repo in repos for revision in repo.revisions]
    files = [file for revision in revisions for file in revision.files]
    selected = [file for file in files if str(file.file_path) in wanted]
    if len(selected) < len(wanted):
        raise NotFound(
            f"Not all of these files are in the cache of {task.repo}.",
            hint="`hf cache ls` shows what is.",
            repo=task.repo,
        )
    if len(selected) == len(files):
        strategy = cache.delete_revisions(*(revision.commit_hash for revision in revisions))
    elif hasattr(cache, "delete_files"):
        strategy = cache.delete_files(*selected)
    else:
        raise BadRequest(
            f"The huggingface_hub installed here can only delete all of {task.repo}.",
            hint="Upgrade it to 1.33 or newer, or use `hf cache rm`.",
        )
    if task.only_ask:
        return strategy.expected_freed_size
    blobs = {file.blob_path: file.size_on_disk for file in selected}
    # It says of none that could not be deleted, but in a log: look what is there afterwards.
    with contextlib.suppress(OSError):
        strategy.execute()
    freed = sum(size for blob, size in blobs.items() if not os.path.lexists(blob))
    left = [str(file.file_path) for file in selected if os.path.lexists(file.file_path)]
    kept = [str(blob) for blob in strategy.blobs if os.path.lexists(blob)]
    refuse_what_is_left(len(selected), left or kept, freed)
    return freed


def discard_parts(task: DiscardParts, say: Say) -> int:
    """Delete the parts, named by checksums that only the hub can tell.

    Raises Conflict, and what asking the hub raises. One that another process fetches
    just now is left to it.
    """
    cache, freed = RepoCache(task.repo), 0
    if not any((cache.folder / "blobs").glob("*.incomplete")):
        return 0
    for file in task.files:
        subject = Subject(task.repo, file, task.revision)
        address = hf_hub_url(task.repo, file, revision=task.revision)
        etag = asked(partial(get_hf_file_metadata, address), subject, say).etag

        def busy(_: float, subject: Subject = subject) -> None:
            raise Conflict(
                f"{subject} is being fetched by another process.", hint="Stop that one first."
            )

        if etag is not None and is_etag(etag):
            with cache.locked(etag, busy):
                freed += _removed(cache.partial(etag))
    return freed


def _removed(part: Path) -> int:
    try:
        size = part.stat().st_size
        part.unlink()
    except FileNotFoundError:
        return 0
    return size
