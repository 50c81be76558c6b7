"""A stretch of a test in which permissions bind: tests may run as root, whom they do not.

Root without the capabilities that overlook permissions is bound by them like any owner of files,
and so are the children it starts then.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_VERSION = 0x20080522
_OVERLOOKING = 1 << 1 | 1 << 2 | 1 << 3  # DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER
_PR_SET_SECUREBITS, _NO_ROOT = 28, 1

_libc = ctypes.CDLL(None, use_errno=True)


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Set(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Be bound by permissions in the block: this thread, and threads and children begun in it."""
    if os.geteuid() != 0:
        yield
        return
    header, sets = _Header(_VERSION, 0), (_Set * 2)()
    if _libc.capget(ctypes.byref(header), sets) or _libc.prctl(_PR_SET_SECUREBITS, _NO_ROOT):
        pytest.skip("root's capabilities cannot be laid down here")
    before = sets[0].effective
    sets[0].effective = before & ~_OVERLOOKING
    assert _libc.capset(ctypes.byref(header), sets) == 0
    try:
        yield
    finally:
        sets[0].effective = before
        assert _libc.capset(ctypes.byref(header), sets) == 0
        assert _libc.prctl(_PR_SET_SECUREBITS, 0) == 0


@contextmanager
def folder_to_close() -> Iterator[Path]:
    """A folder that can be removed again, whatever permissions are set in it."""
    folder = Path(tempfile.mkdtemp(prefix="wiz-user-", dir="/tmp"))
    try:
        yield folder
    finally:
        for path in [folder, *folder.rglob("*")]:
            if path.is_dir() and not path.is_symlink():
                path.chmod(0o700)
        shutil.rmtree(folder)
