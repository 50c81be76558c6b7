"""The tier on the disk: cached conversations that outlive the process.

Each conversation has a folder, which whoever keeps the conversations makes and deletes (nothing is
ever written for one that is deleted), and in it one file for each model and way of computing: the
latest state of it; what was computed with adapters has a file for each set of them.
`SnapshotStore` is the folder of all of them and its bounds, for the life of the
process; `Snapshots` are those that one context can continue. Nothing here is an error of anybody's
prompt: what cannot be read is a miss, and what cannot be written is not kept.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
import re
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from wiz_kernel_ext.engine.backend import Saved
from wiz_kernel_ext.engine.snapshot_file import (
    Damaged,
    file_bytes,
    read_beginning,
    read_snapshot,
    write_snapshot,
)
from wiz_kernel_ext.engine.threads import make_way
from wiz_kernel_ext.engine.tiers import FIRST_ON_DISK, Tier
from wiz_kernel_ext.folders import entries, size_of
from wiz_kernel_ext.free_memory import free_bytes

MOST_BYTES = 4 << 30
MOST_OF_DISK = 0.05
_MOST_TOKENS_LOOKED_AT = 1 << 18
_UNFINISHED_S = 3600.0
_FOR_GOOD = (errno.EACCES, errno.EPERM, errno.ELOOP)
_SUFFIX = ".kv"
_OWNER = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Kept:
    path: Path
    used_at: float
    n_bytes: int


class SnapshotStore:
    """All snapshots of a user, in `folder`; at most `most_bytes`, least recently used go first.

    None: 4 GiB, and a twentieth of what the disk has free. Others may write and delete there too.
    """

    def __init__(self, folder: Path, most_bytes: int | None = None) -> None:
        self._folder = folder
        self._most_bytes = most_bytes
        self._writer: ThreadPoolExecutor | None = None
        self._writing: Future[None] | None = None

    @property
    def is_writing(self) -> bool:
        """Whether a file is on its way to the disk."""
        return self._writing is not None and not self._writing.done()

    def path(self, owner: str, fingerprint: str) -> Path | None:
        """Where the conversation's file is; None where `owner` is no name for a folder."""
        return self._folder / owner / f"{fingerprint}{_SUFFIX}" if _OWNER.match(owner) else None

    def with_fingerprint(self, fingerprint: str) -> list[Path]:
        """The files of one fingerprint, the latest used first."""
        found = [one for one in self._kept() if one.path.stem == fingerprint]
        return [one.path for one in sorted(found, key=lambda one: -one.used_at)]

    def write(self, path: Path, fingerprint: str, tokens: list[int], saved: Saved) -> Future[None]:
        """Write a file beside the engine, on a thread that makes way; waits for the one before."""
        self.wait()
        if self._writer is None:
            self._writer = ThreadPoolExecutor(1, "wiz-snapshots", make_way)
        self._writing = self._writer.submit(self._write, path, fingerprint, tokens, saved)
        return self._writing

    def wait(self) -> None:
        """Return when nothing is being written."""
        if self._writing is not None:
            self._writing.result()

    def close(self) -> None:
        """End the thread; what it writes is written first."""
        if self._writer is not None:
            self._writer.shutdown()
            self._writer = self._writing = None

    def _write(self, path: Path, fingerprint: str, tokens: list[int], saved: Saved) -> None:
        started_at = time.monotonic()
        try:
            if not self._make_room(path, file_bytes(len(tokens), saved)):
                return
            write_snapshot(path, fingerprint, tokens, saved)
        except FileNotFoundError:  # the conversation was deleted
            return
        except Exception as error:
            log.warning("A conversation's state is not kept on the disk: %s", error)
            return
        log.info(
            "%d tokens (%.1f MB) kept on the disk in %.2f s",
            *(len(tokens), saved.n_bytes / 1e6, time.monotonic() - started_at),
        )

    def _make_room(self, path: Path, n_bytes: int) -> bool:
        """Delete what was used longest ago until `path` has its place; False: it is too large."""
        kept = [one for one in self._kept() if one.path != path]
        n_kept = sum(one.n_bytes for one in kept)
        most = self._bound(n_kept)
        if n_bytes > most:
            return False
        for one in sorted(kept, key=lambda one: one.used_at):
            if n_kept + n_bytes <= most:
                break
            delete(one.path)
            n_kept -= one.n_bytes
        return True

    def _bound(self, n_kept: int) -> int:
        if self._most_bytes is not None:
            return self._most_bytes
        disk = os.statvfs(self._folder)
        free = disk.f_bavail * disk.f_frsize + n_kept
        return min(MOST_BYTES, int(free * MOST_OF_DISK))

    def _kept(self) -> Iterator[_Kept]:
        """Every file there is; what a process that ended left half written is deleted."""
        for path in (path for folder in entries(self._folder) for path in entries(folder)):
            with contextlib.suppress(OSError):
                status = path.lstat()
                if path.suffix == _SUFFIX:
                    yield _Kept(path, status.st_mtime, status.st_size)
                elif path.suffix == ".tmp" and time.time() - status.st_mtime > _UNFINISHED_S:
                    path.unlink()


@dataclass
class _Entry:
    """A file, what it has to be of, and its copy as long as it is being written."""

    path: Path
    fingerprint: str
    tokens: list[int]
    saved: Saved | None = None

    def forget_copy(self, _: object) -> None:
        """It is on the disk now, or will not be."""
        self.saved = None


class Snapshots(Tier):
    """The snapshots of one fingerprint, for a model with tokens below `n_vocab`."""

    moves = False

    def __init__(self, store: SnapshotStore, fingerprint: str, n_vocab: int) -> None:
        self.store = store
        self._fingerprint = fingerprint
        self._n_vocab = n_vocab
        self._entries: dict[int, _Entry] = {}
        self._next = FIRST_ON_DISK

    def __contains__(self, number: int) -> bool:
        return number in self._entries

    def forget(self) -> None:
        """Know of none any more; the files stay."""
        self._entries.clear()

    def look(self, kind: str = "") -> Iterator[tuple[int, list[int]]]:
        """What is on the disk of a kind, by number with its tokens, latest used first."""
        fingerprint, n_tokens = self._of_kind(kind), 0
        for path in self.store.with_fingerprint(fingerprint):
            tokens = self._tokens_in(path, fingerprint)
            n_tokens += len(tokens)
            if n_tokens > _MOST_TOKENS_LOOKED_AT:
                return
            if tokens:
                yield self._add(_Entry(path, fingerprint, tokens)), tokens

    def put(
        self, owner: str, tokens: list[int], saved: Saved, kind: str = ""
    ) -> tuple[int | None, int | None]:
        """Begin to write the latest state of `owner`: its number, and that of the former one.

        None for the first where it cannot be kept.
        """
        fingerprint = self._of_kind(kind)
        path = self.store.path(owner, fingerprint)
        if path is None:
            return None, None
        former = next((n for n, entry in self._entries.items() if entry.path == path), None)
        if former is not None:
            if self._entries[former].tokens == tokens:
                return former, None
            del self._entries[former]
        entry = _Entry(path, fingerprint, tokens, saved)
        writing = self.store.write(path, fingerprint, tokens, saved)
        writing.add_done_callback(entry.forget_copy)
        return self._add(entry), former

    def use(self, number: int) -> Saved | None:
        """The copy, read and found right; None where it is not there, or not as it was written."""
        entry = self._entries[number]
        if (saved := entry.saved) is not None:
            return saved
        try:
            if not may_copy(size_of(entry.path)):
                raise MemoryError("there is too little memory to read it")
            saved = read_snapshot(entry.path, entry.fingerprint, entry.tokens)
        except (Damaged, OSError, MemoryError) as error:
            self._miss(entry.path, error)
            del self._entries[number]
            return None
        with contextlib.suppress(OSError):
            os.utime(entry.path)
        return saved

    def drop(self, number: int) -> None:
        """Look for it no longer; the file stays, for others."""
        del self._entries[number]

    def _add(self, entry: _Entry) -> int:
        number, self._next = self._next, self._next - 1
        self._entries[number] = entry
        return number

    def _of_kind(self, kind: str) -> str:
        """The fingerprint of what was computed with those adapters: of none, the context's."""
        if not kind:
            return self._fingerprint
        return hashlib.sha256(f"{self._fingerprint} {kind}".encode()).hexdigest()[:32]

    def _tokens_in(self, path: Path, fingerprint: str) -> list[int]:
        try:
            tokens = read_beginning(path, fingerprint).tokens
            if tokens and max(tokens) >= self._n_vocab:  # below 0 are pieces of images
                raise Damaged("it has tokens of another vocabulary")
        except (Damaged, OSError, MemoryError) as error:
            self._miss(path, error)
            return []
        return tokens

    def _miss(self, path: Path, error: Exception) -> None:
        """What will never be right is deleted; what may be another time stays."""
        if isinstance(error, FileNotFoundError):
            return
        log.warning("%s is not used: %s", path, error)
        if isinstance(error, Damaged) or getattr(error, "errno", 0) in _FOR_GOOD:
            delete(path)


def may_copy(n_bytes: int) -> bool:
    """Whether there is memory for a copy; better no cache than a machine that runs out of it."""
    return n_bytes <= free_bytes() // 4


def delete(path: Path) -> None:
    """Delete a file, if that can be done."""
    with contextlib.suppress(OSError):
        path.unlink()
