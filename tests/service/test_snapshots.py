"""The folders of conversations' states: made, deleted, expired, and left out where unwanted."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from wiz_kernel_ext.configuration.limits import Limits
from wiz_kernel_ext.engine.backend import Saved
from wiz_kernel_ext.engine.snapshot_file import write_snapshot
from wiz_kernel_ext.service.snapshots import SnapshotFolders


@pytest.fixture
def folders(tmp_path: Path) -> SnapshotFolders:
    folders = SnapshotFolders(tmp_path / "kept")
    assert folders.place() is not None
    return folders


def test_a_folder_is_its_owners_alone_and_goes_with_all_that_is_in_it(
    folders: SnapshotFolders, tmp_path: Path
) -> None:
    folders.allow("ana")
    folders.allow("ana")
    folder = tmp_path / "kept" / "ana"
    assert folder.stat().st_mode & 0o777 == 0o700
    (folder / "a.kv").write_bytes(b"state")
    folders.forget("ana")
    folders.forget("ana")
    assert list((tmp_path / "kept").iterdir()) == []


def test_nothing_is_written_beside_a_deletion(folders: SnapshotFolders, tmp_path: Path) -> None:
    """A worker that writes without end, and a conversation deleted in the middle of it."""
    path = tmp_path / "kept" / "ana" / "f.kv"
    done = threading.Event()

    def write() -> None:
        while not done.is_set():
            with suppress(FileNotFoundError):
                write_snapshot(path, "f", [1, 2, 3], Saved(bytearray(10_000), 10_000))

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(30):
            folders.allow("ana")
            while not path.exists():
                pass
            folders.forget("ana")
            assert not path.exists()
            assert list((tmp_path / "kept").iterdir()) == []
    finally:
        done.set()
        thread.join()


def test_what_nobody_went_on_with_for_long_goes_when_a_worker_starts(
    folders: SnapshotFolders, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    for name in ("old", "new", "empty"):
        folders.allow(name)
        if name != "empty":
            (kept / name / "f.kv").write_bytes(b"state")
    os.utime(kept / "old" / "f.kv", (1, 1))
    os.utime(kept / "empty", (1, 1))
    (kept / ".gone.1234").mkdir()
    (kept / ".gone.1234" / "f.kv").write_bytes(b"left")
    assert folders.place() is not None
    assert sorted(path.name for path in kept.iterdir()) == ["new", "old"]
    assert list((kept / "old").iterdir()) == []


@pytest.mark.parametrize(
    ("asked", "limit", "most_bytes"),
    [
        (None, None, None),
        (2.5, None, 2_500_000_000),
        (None, 1.0, 1_000_000_000),
        (2.5, 1.0, 1_000_000_000),
        (0.5, 1.0, 500_000_000),
        (float("inf"), None, 10**18),
    ],
)
def test_the_bound_is_what_is_asked_within_the_machines_limit(
    tmp_path: Path, asked: float | None, limit: float | None, most_bytes: int | None
) -> None:
    folders = SnapshotFolders(tmp_path, asked, lambda: Limits(max_snapshots_gb=limit))
    place = folders.place()
    assert place is not None
    assert (place.folder, place.most_bytes) == (str(tmp_path), most_bytes)


@pytest.mark.parametrize(("asked", "limit"), [(0.0, None), (None, 0.0), (5.0, 0.0)])
def test_a_bound_of_zero_keeps_nothing(
    folders: SnapshotFolders, tmp_path: Path, asked: float | None, limit: float | None
) -> None:
    folders.allow("ana")
    off = SnapshotFolders(tmp_path / "kept", asked, lambda: Limits(max_snapshots_gb=limit))
    assert off.place() is None
    off.allow("ben")
    off.forget("ben")
    assert not (tmp_path / "kept").exists()


def test_where_nothing_can_be_made_nothing_is_kept_and_nothing_fails(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file")
    folders = SnapshotFolders(tmp_path / "kept")
    assert folders.place() is None
    folders.allow("ana")
    folders.forget("ana")
