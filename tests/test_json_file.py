"""The small files that several processes change: private, whole, and of use without locks."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import msgspec
import pytest

from wiz_kernel_ext.errors import StoreError
from wiz_kernel_ext.json_file import JsonFile


class Kept(msgspec.Struct):
    name: str = ""


def test_it_is_its_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "kept.json"
    before = os.umask(0)
    try:
        with JsonFile(file, Kept).changing() as kept:
            kept.name = "a"
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in file.parent.iterdir()}
    assert modes == {"kept.json": 0o600, ".kept.json.lock": 0o600}
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_a_disk_without_locks_keeps_it_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def no_locks(handle: int, kind: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", no_locks)
    file = JsonFile(tmp_path / "kept.json", Kept)
    with file.changing() as kept:
        kept.name = "a"
    assert file.read() == Kept("a")


def test_a_lock_that_fails_otherwise_is_a_typed_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(handle: int, kind: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("fcntl.flock", broken)
    with (
        pytest.raises(StoreError, match="Input/output error"),
        JsonFile(tmp_path / "k.json", Kept).changing(),
    ):
        pass
