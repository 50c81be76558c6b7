"""What is known of repositories without asking the hub: what of them is in the cache.

Called by `search` and `checkpoints` where the hub cannot or may not be asked.
"""

from __future__ import annotations

from collections.abc import Mapping

from wiz_kernel_ext.folders import files_below, size_of
from wiz_kernel_ext.hub.fetch.tasks import Found, RepoContents
from wiz_kernel_ext.models.hub_cache import Snapshot, cache_folder, checksum_of, snapshots
from wiz_kernel_ext.models.names import ModelName
from wiz_kernel_ext.protocol.hub import RepoFile, RepoHit


def cached_contents(
    name: ModelName, environment: Mapping[str, str] | None = None
) -> RepoContents | None:
    """The files of a repository that are here, of the revision that is named if one is."""
    for snapshot in snapshots(cache_folder(environment), name.repo):
        if name.revision in (None, snapshot.commit, *snapshot.revisions):
            return _contents(snapshot)
    return None


def cached_hits(text: str, environment: Mapping[str, str] | None = None) -> list[Found]:
    """Repositories with GGUF files here whose names have all the words of `text`."""
    words = text.lower().split()
    found: dict[str, Found] = {}
    for snapshot in snapshots(cache_folder(environment)):
        matches = all(word in snapshot.repo.lower() for word in words)
        if matches and snapshot.repo not in found and snapshot.ggufs():
            hit = RepoHit(repo=snapshot.repo, from_cache=True)
            found[snapshot.repo] = Found(hit, _contents(snapshot))
    return list(found.values())


def _contents(snapshot: Snapshot) -> RepoContents:
    return RepoContents(
        commit=snapshot.commit,
        files=[
            RepoFile(
                path=path.relative_to(snapshot.folder).as_posix(),
                size_bytes=size_of(path),
                sha256=checksum_of(path) if len(checksum_of(path)) == 64 else "",
            )
            for path in files_below(snapshot.folder)
        ],
        from_cache=True,
    )
