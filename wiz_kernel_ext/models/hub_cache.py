"""The Hugging Face cache as it lies on disk, read without huggingface_hub.

Layout: https://huggingface.co/docs/huggingface_hub/guides/manage-cache. Paths given out are those
of snapshots, never of blobs: the parts of a split model are found by their names.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from stat import S_ISDIR

from wiz_kernel_ext import surroundings
from wiz_kernel_ext.folders import changed_at, entries, files_below, is_file, status

_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Snapshot:
    """One commit of a repository as far as it is here; `revisions` are branches and tags at it."""

    repo: str
    commit: str
    folder: Path
    revisions: tuple[str, ...]

    def ggufs(self) -> dict[str, Path]:
        """Its GGUF files by their paths in the repository; dangling links are left out."""
        return {
            path.relative_to(self.folder).as_posix(): path
            for path in files_below(self.folder)
            if path.name.lower().endswith(".gguf")
        }


def cache_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Where huggingface_hub keeps its cache, by its own variables."""
    env = surroundings.environment() if environment is None else environment
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if place := env.get(name):
            return _expanded(place, env)
    if home := env.get("HF_HOME"):
        return _expanded(home, env) / "hub"
    base = env.get("XDG_CACHE_HOME") or "~/.cache"
    return _expanded(base, env) / "huggingface" / "hub"


def snapshots(cache: Path, repo: str | None = None) -> Iterator[Snapshot]:
    """The snapshots of all model repositories, or of one: those a branch is at first, then newest.

    What cannot be read is left out.
    """
    if repo:
        folders = [cache / f"models--{repo.replace('/', '--')}"]
    else:
        folders = [path for path in entries(cache) if fnmatchcase(path.name, "models--*--*")]
    for folder in folders:
        name = "/".join(folder.name.split("--")[1:])
        by_commit: dict[str, list[str]] = {}
        for ref in files_below(folder / "refs"):
            with contextlib.suppress(OSError):
                commit = ref.read_text(errors="replace").strip()
                by_commit.setdefault(commit, []).append(ref.relative_to(folder / "refs").as_posix())
        commits = [path for path in entries(folder / "snapshots") if _is_snapshot(path)]
        commits.sort(
            key=lambda path: (
                "main" not in by_commit.get(path.name, []),
                path.name not in by_commit,
                -changed_at(path),
            )
        )
        for path in commits:
            yield Snapshot(name, path.name, path, tuple(by_commit.get(path.name, ())))


def cached_files(
    repo: str, files: list[str], environment: Mapping[str, str] | None = None
) -> list[Path] | None:
    """The files of a repository if all are in one snapshot here; None if they are not."""
    for snapshot in snapshots(cache_folder(environment), repo):
        paths = [snapshot.folder / file for file in files]
        if all(is_file(path) for path in paths):
            return paths
    return None


def checksum_of(path: Path) -> str:
    """The checksum that the cache keeps a file under; "" where the file is no link to a blob."""
    try:
        name = path.readlink().name
    except OSError:
        return ""
    return name if re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", name) else ""


def _is_snapshot(path: Path) -> bool:
    found = status(path)
    return bool(_COMMIT.fullmatch(path.name)) and found is not None and S_ISDIR(found.st_mode)


def _expanded(place: str, env: Mapping[str, str]) -> Path:
    if place == "~" or place.startswith("~/"):
        place = f"{env.get('HOME') or Path.home()}{place[1:]}"
    return Path(place)
