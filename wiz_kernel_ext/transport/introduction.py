"""The first words between a worker's process and who starts it: where to listen, and the key.

They go by the pipes of the process, which no other user can read.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import msgspec

from wiz_kernel_ext.transport.keys import KeyPair


class SnapshotPlace(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Where conversations' states are kept, and how much of them (None: by what is free)."""

    folder: str
    most_bytes: int | None = None


async def introduce(
    process: asyncio.subprocess.Process,
    endpoint: str,
    keys: KeyPair,
    way: Any,
    snapshots: SnapshotPlace | None = None,
) -> str:
    """The endpoint at which the worker listens; empty where it ended instead of answering."""
    assert process.stdin is not None
    assert process.stdout is not None
    introduction = {"endpoint": endpoint, "secretKey": keys.secret, "way": way}
    if snapshots is not None:
        introduction["snapshots"] = snapshots
    with contextlib.suppress(ConnectionError):  # it is gone already: it answers nothing either
        process.stdin.write(msgspec.json.encode(introduction) + b"\n")
        await process.stdin.drain()
    return (await process.stdout.readline()).decode().strip()
