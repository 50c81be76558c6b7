"""Deletes from the cache the way its layout wants it: by huggingface_hub's own strategies.

A blob goes only when no snapshot needs it; blobs may be shared by the whole cache.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from huggingface_hub import scan_cache_dir

from wiz_kernel_ext.errors import NotFound
from wiz_kernel_ext.hub.fetch.messages import DeleteFiles


def delete_files(order: DeleteFiles) -> int:
    """Delete, or only say how many bytes that would free; raises NotFound."""
    cache = scan_cache_dir()
    wanted = {str(Path(path)) for path in order.paths}
    files: dict[str, list[Any]] = defaultdict(list)
    revisions: dict[str, Any] = {}
    for repo in cache.repos:
        if repo.repo_type == "model" and repo.repo_id == order.repo:
            for revision in repo.revisions:
                revisions[revision.commit_hash] = revision
                for file in revision.files:
                    if str(file.file_path) in wanted:
                        files[revision.commit_hash].append(file)
    if sum(map(len, files.values())) < len(wanted):
        raise NotFound(f"Not all of these files are in the cache of {order.repo}.", repo=order.repo)
    whole = [commit for commit, some in files.items() if len(some) == len(revisions[commit].files)]
    single = [file for commit, some in files.items() if commit not in whole for file in some]
    freed = 0
    for strategy in (
        cache.delete_revisions(*whole) if whole else None,
        cache.delete_files(*single) if single else None,
    ):
        if strategy is not None:
            freed += strategy.expected_freed_size
            if not order.only_ask:
                strategy.execute()
    return freed
