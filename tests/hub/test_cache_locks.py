"""A cache on a file system without locks: two downloads into one file would spoil it."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from wiz_kernel_ext.errors import DownloadFailed
from wiz_kernel_ext.hub.fetch.cache import RepoCache


def test_it_is_a_typed_error_that_names_the_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(handle: int, kind: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    cache = RepoCache("user/repo", tmp_path)
    with (
        pytest.raises(DownloadFailed, match="No locks available") as caught,
        cache.locked("a" * 64, lambda seconds: None),
    ):
        pass
    assert "HF_HOME" in caught.value.hint
