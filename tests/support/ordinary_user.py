"""A stretch of a test as a user whom permissions bind: tests may run as root, who is not."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import wiz_kernel_ext

NOBODY = 65534


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Be an ordinary user for the block, all threads and new children included."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        if not os.access(wiz_kernel_ext.__file__, os.R_OK, effective_ids=True):
            pytest.skip("the package lies where only root may read")
        yield
    finally:
        os.seteuid(0)


@contextmanager
def folder_of_an_ordinary_user() -> Iterator[Path]:
    """A folder that the ordinary user may enter and write, below nobody's private one."""
    folder = Path(tempfile.mkdtemp(prefix="wiz-user-", dir="/tmp"))
    if os.geteuid() == 0:
        os.chown(folder, NOBODY, -1)
    try:
        yield folder
    finally:
        for path in folder.rglob("*"):
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o700)
        shutil.rmtree(folder)
