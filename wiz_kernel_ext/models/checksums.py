"""Compares files with the checksums they should have; reads everything, and can be called off."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Callable
from pathlib import Path

from wiz_kernel_ext.children.child import OnProgress
from wiz_kernel_ext.errors import GgufInvalid, ModelFileNotFound, OperationCancelled
from wiz_kernel_ext.folders import size_of
from wiz_kernel_ext.gguf_file.header import read_file_header
from wiz_kernel_ext.models.hub_cache import checksum_of
from wiz_kernel_ext.protocol.hub import Verification

_STEP_BYTES = 4 << 20
_TICK_S = 0.1


async def verify_files(
    name: str, paths: list[Path], on_progress: OnProgress, cancelled: asyncio.Event | None
) -> Verification:
    """Whether each of `paths` is what it is kept under; raises OperationCancelled."""
    stop = threading.Event()
    total = sum(map(size_of, paths))
    done = 0

    def count(n_bytes: int) -> None:
        nonlocal done
        done += n_bytes

    work = asyncio.create_task(asyncio.to_thread(_verify, name, paths, count, stop))
    called_off = asyncio.create_task((cancelled or asyncio.Event()).wait())
    try:
        while not work.done():
            await asyncio.wait(
                {work, called_off}, timeout=_TICK_S, return_when=asyncio.FIRST_COMPLETED
            )
            if called_off.done():
                raise OperationCancelled(f"The verification of {name} was cancelled.")
            on_progress(done, total)
        return work.result()
    finally:
        stop.set()
        called_off.cancel()


def _verify(
    name: str, paths: list[Path], count: Callable[[int], None], stop: threading.Event
) -> Verification:
    bad: list[str] = []
    unknown: list[str] = []
    for path in paths:
        expected = checksum_of(path)
        found = _checksum(path, expected, count, stop)
        if not expected:
            unknown.append(str(path))
            if not _is_whole(path):
                bad.append(str(path))
        elif found != expected:
            bad.append(str(path))
    return Verification(name=name, checked=len(paths) - len(unknown), bad=bad, unknown=unknown)


def _checksum(
    path: Path, expected: str, count: Callable[[int], None], stop: threading.Event
) -> str:
    if not expected:
        count(path.stat().st_size)
        return ""
    if len(expected) == 40:
        digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    else:
        digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while not stop.is_set() and (data := file.read(_STEP_BYTES)):
            digest.update(data)
            count(len(data))
    return digest.hexdigest()


def _is_whole(path: Path) -> bool:
    try:
        read_file_header(path)
    except (GgufInvalid, ModelFileNotFound):
        return False
    return True
