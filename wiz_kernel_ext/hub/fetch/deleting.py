"""Deletes from the cache the way its layout wants it: by huggingface_hub's own strategies.

A blob goes only when no snapshot needs it; blobs may be shared by the whole cache.
"""

from __future__ import annotations

from huggingface_hub import scan_cache_dir

from wiz_kernel_ext.errors import BadRequest, NotFound
from wiz_kernel_ext.hub.fetch.messages import DeleteFiles


def delete_files(order: DeleteFiles) -> int:
    """Delete, or only say how many bytes that would free; raises NotFound, BadRequest."""
    cache = scan_cache_dir()
    wanted = set(order.paths)
    repos = [r for r in cache.repos if r.repo_type == "model" and r.repo_id == order.repo]
    revisions = [revision for repo in repos for revision in repo.revisions]
    files = [file for revision in revisions for file in revision.files]
    selected = [file for file in files if str(file.file_path) in wanted]
    if len(selected) < len(wanted):
        raise NotFound(
            f"Not all of these files are in the cache of {order.repo}.",
            hint="`hf cache ls` shows what is.",
            repo=order.repo,
        )
    if len(selected) == len(files):
        strategy = cache.delete_revisions(*(revision.commit_hash for revision in revisions))
    elif hasattr(cache, "delete_files"):
        strategy = cache.delete_files(*selected)
    else:
        raise BadRequest(
            f"The huggingface_hub installed here can only delete all of {order.repo}.",
            hint="Upgrade it to 1.33 or newer, or use `hf cache rm`.",
        )
    if not order.only_ask:
        strategy.execute()
    return strategy.expected_freed_size
