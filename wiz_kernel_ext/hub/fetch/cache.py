"""Where things are in the Hugging Face cache, and the few writes we make there ourselves.

The layout is the documented one (https://huggingface.co/docs/huggingface_hub/guides/manage-cache),
shared with llama.cpp: blobs by checksum, snapshots by commit linking to them, refs by branch.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from huggingface_hub import constants
from huggingface_hub.file_download import repo_folder_name

from wiz_kernel_ext.errors import DownloadFailed
from wiz_kernel_ext.folders import changed_at, entries, files_below, is_file

PARTIAL_SUFFIX = ".wiz.incomplete"
"""huggingface_hub's scan and prune know the end of it as an unfinished download."""
_COMMIT = re.compile(r"[0-9a-f]{40}")
_ETAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_POLL_S = 0.2


def is_commit(text: str | None) -> bool:
    """Whether `text` is a whole commit id; an answer could claim a path instead."""
    return text is not None and bool(_COMMIT.fullmatch(text))


def is_etag(text: str | None) -> bool:
    """Whether `text` can be a blob's name: a checksum, or what a mirror gives for one."""
    return text is not None and bool(_ETAG.fullmatch(text))


class RepoCache:
    """One repository's part of the cache."""

    def __init__(self, repo: str, root: Path | None = None) -> None:
        self.root = root or Path(constants.HF_HUB_CACHE)
        folder = repo_folder_name(repo_id=repo, repo_type="model")
        self.folder = self.root / folder
        self._locks = self.root / ".locks" / folder

    def blob(self, etag: str) -> Path:
        """Where the file with this checksum (see `is_etag`) belongs."""
        return self.folder / "blobs" / etag

    def partial(self, etag: str) -> Path:
        """Where it grows."""
        return self.blob(etag).with_name(f"{etag}{PARTIAL_SUFFIX}")

    def snapshot(self, commit: str) -> Path:
        """Where the files of one commit (see `is_commit`) are."""
        return self.folder / "snapshots" / commit

    def find(self, files: list[str], revision: str | None) -> list[Path] | None:
        """The files if all are here: of that revision, or of the newest snapshot without one."""
        commits = [revision] if revision and is_commit(revision) else []
        if not commits and (commit := self.ref(revision or "main")):
            commits = [commit]
        if revision is None:
            commits += self._newest_first()
        for commit in commits:
            paths = [self.folder / "snapshots" / commit / file for file in files]
            if all(is_file(path) for path in paths):
                return paths
        return None

    def ref(self, revision: str) -> str | None:
        """The commit that a branch or tag was at, the last time it was fetched."""
        try:
            commit = (self.folder / "refs" / revision).read_text(errors="replace").strip()
        except OSError:
            return None
        return commit if is_commit(commit) else None

    def move_ref(
        self, revision: str, commit: str, upstream: Callable[[], Mapping[str, str]]
    ) -> None:
        """Let `revision` mean `commit`, whose snapshot exists.

        What the old snapshot has and the new commit has unchanged is linked into the new one:
        without that a moved ref hides downloaded models from llama.cpp, and `hf cache prune` takes
        them. `upstream` maps the new commit's paths to their checksums.
        """
        old = self.ref(revision)
        if old == commit:
            return
        if old is not None and self.snapshot(old).is_dir():
            checksums = upstream()
            for path in files_below(self.snapshot(old)):
                file = path.relative_to(self.snapshot(old)).as_posix()
                if path.is_symlink() and checksums.get(file) == path.readlink().name:
                    self._link(path, self.snapshot(commit) / file)
        place = self.folder / "refs" / revision
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary = place.with_name(f"{place.name}.{os.getpid()}.tmp")
        temporary.write_text(commit)
        temporary.replace(place)

    @contextlib.contextmanager
    def locked(self, etag: str, wait: Callable[[float], None]) -> Iterator[None]:
        """Hold the file's lock, the one huggingface_hub takes too; calls `wait(s)` meanwhile."""
        self._locks.mkdir(parents=True, exist_ok=True)
        file = os.open(self._locks / f"{etag}.lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    wait(_POLL_S)
                except OSError as error:
                    # Without a lock, two downloads would write into one file.
                    raise DownloadFailed(
                        f"{self._locks} cannot be locked: {error.strerror}.",
                        hint="Its file system has no locks: set HF_HOME to a directory on a local "
                        "disk, and run it again.",
                    ) from error
            yield
        finally:
            os.close(file)

    def _newest_first(self) -> list[str]:
        found = [path for path in entries(self.folder / "snapshots") if is_commit(path.name)]
        return [path.name for path in sorted(found, key=changed_at, reverse=True)]

    @staticmethod
    def _link(old: Path, new: Path) -> None:
        target = Path(os.path.abspath(old.parent / old.readlink()))  # noqa: PTH100 - one step only
        if new.is_symlink() or new.exists() or not target.exists():
            return
        new.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(OSError):
            new.symlink_to(os.path.relpath(target, new.parent))
