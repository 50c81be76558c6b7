"""The places: whether they can be written, are this user's, have locks, and on which disk they are.

Nothing is made there but a probe that is gone at once; a place that is not there yet is judged by
the folder it would be made in.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil

from wiz_kernel_ext.doctor.finding import Around, Finding, State
from wiz_kernel_ext.folders import files_below, size_of
from wiz_kernel_ext.models.hub_cache import cache_folder
from wiz_kernel_ext.sizes import size
from wiz_kernel_ext.transport.endpoints import MAX_SOCKET_PATH_BYTES

LEAST_BYTES = 100_000_000
"""For conversations and logs."""
LEAST_FOR_MODELS_BYTES = 2_000_000_000
"""Less than this has room for no model worth fetching."""
NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "lustre", "gpfs", "beegfs", "ceph", "afs"}
    | {"glusterfs", "fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs", "panfs", "pvfs2"}
)


def runtime(around: Around) -> Iterator[Finding]:
    """Where sockets, keys and locks are."""
    where = around.where
    yield from _place("runtime", where.runtime_dir, "WIZ_RUNTIME_DIR", private=True, locks="flock")
    if len(os.fsencode(where.socket_dir)) + len("/01234567.sock") > MAX_SOCKET_PATH_BYTES:
        yield Finding(
            about="sockets",
            state="note",
            text=f"{where.socket_dir} is too long for sockets: ports of this host are used",
            remedy="Set WIZ_RUNTIME_DIR to a shorter path.",
        )


def data(around: Around) -> Iterator[Finding]:
    """Where conversations, logs and the library are."""
    yield from _place("data", around.where.data_dir, "WIZ_DATA_DIR", private=True, locks="lockf")


def snapshots(around: Around) -> Iterator[Finding]:
    """What models computed of conversations and is kept."""
    folder = around.where.snapshots_dir
    sizes = [size_of(file) for file in files_below(folder)]
    if sizes:
        text = f"{folder}: {size(sum(sizes))} of {len(sizes)} conversations' states"
        yield Finding(about="snapshots", text=text)


def models(around: Around) -> Iterator[Finding]:
    """Where models are that are no hub's."""
    yield from _place("models", around.where.models_dir, "WIZ_MODELS_DIR", for_models=True)


def cache(around: Around) -> Iterator[Finding]:
    """Where what comes from a hub is kept."""
    folder = cache_folder(around.environment)
    yield from _place("cache", folder, "HF_HOME", for_models=True, locks="flock")


def _place(
    about: str,
    folder: Path,
    variable: str,
    *,
    private: bool = False,
    for_models: bool = False,
    locks: str = "",
) -> Iterator[Finding]:
    nearest = _nearest(folder)
    elsewhere = f"Set {variable} to a directory of yours on a local disk."
    wrong = _not_writable(nearest) or (locks and _no_locks(nearest, locks))
    if wrong:
        # A shared cache may well be read-only: what is in it can be used.
        state: State = "note" if for_models else "must"
        text = f"{folder}: {wrong}"
        yield Finding(about=about, state=state, text=text, remedy=elsewhere)
        return
    if private and folder.exists() and (mode := _too_open(folder)):
        text = f"{folder}: others can write there ({mode:o})"
        yield Finding(about=about, state="must", text=text, remedy=f"chmod 700 {folder}")
        return
    free_bytes = shutil.disk_usage(nearest).free
    least = LEAST_FOR_MODELS_BYTES if for_models else LEAST_BYTES
    kind = file_system(nearest)
    text = f"{folder}{'' if folder.exists() else ' (not made yet)'}: {size(free_bytes)} free"
    if free_bytes < least:
        room = (
            "`wiz models` lists models, `wiz rm MODEL` deletes one" if for_models else "Make room"
        )
        yield Finding(
            about=about,
            state="note" if for_models else "must",
            text=f"{text}, which is little",
            remedy=f"{room}; or set {variable} to a place on another disk.",
        )
    elif kind in NETWORK and private:
        text = f"{text}, on a network file system ({kind})"
        yield Finding(about=about, state="note", text=text, remedy=elsewhere)
    else:
        yield Finding(about=about, text=f"{text}, {kind or 'disk'}")


def _nearest(folder: Path) -> Path:
    """The folder itself, or the one it would be made in."""
    for one in [folder, *folder.parents]:
        with contextlib.suppress(OSError):
            if one.exists():
                return one
    return Path("/")


def _not_writable(folder: Path) -> str:
    if not folder.is_dir():
        return f"{folder} is a file"
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return f"cannot be written ({error.strerror})"


def _no_locks(folder: Path, kind: str) -> str:
    """Why a lock there does not keep a second one out; "" where it does."""
    lock = fcntl.flock if kind == "flock" else fcntl.lockf
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".wiz-probe-") as probe:
            lock(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Locks of the other kind belong to a process, which would get a second one.
            if kind == "flock" and not _keeps_out(Path(probe.name)):
                return "a lock there keeps nobody out"
    except OSError as error:
        return f"files cannot be locked ({error.strerror})"
    return ""


def _keeps_out(file: Path) -> bool:
    with file.open("rb") as second:
        try:
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _too_open(folder: Path) -> int:
    """The folder's mode where others than its owner can write there, else 0."""
    mode = stat.S_IMODE(folder.stat().st_mode)
    return mode if mode & (stat.S_IWGRP | stat.S_IWOTH) else 0


def file_system(folder: Path) -> str:
    """The kind of file system that `folder` is on, as the system calls it; "" where unknown."""
    real = Path(os.path.realpath(folder))
    mounts = {Path(one.mountpoint): one.fstype for one in psutil.disk_partitions(all=True)}
    return next((mounts[one] for one in [real, *real.parents] if one in mounts), "")
