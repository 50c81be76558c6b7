"""Runs the children that write a model: conversion and quantizing. Half a file never stays."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from wiz_kernel_ext.children.child import Ended, OnNotice, OnProgress, follow
from wiz_kernel_ext.errors import ConversionFailed
from wiz_kernel_ext.making.target import discard, part_file

T = TypeVar("T")


async def write_in_child(
    command: Sequence[str],
    target: Path,
    report: type[T],
    *,
    what: str,
    on_progress: OnProgress | None = None,
    on_notice: OnNotice | None = None,
    cancelled: asyncio.Event | None = None,
) -> T:
    """Run a child that writes `target`, or only measures it; its report, or its error raised.

    Raises ConversionFailed where it ends without a word. Whatever happens, its part is gone then.
    """
    pids: list[int] = []

    def broken(ended: Ended) -> ConversionFailed:
        return ConversionFailed(
            f"{what} broke off: {ended}.",
            hint="Nothing was kept. If memory ran out, close what else is loaded and try again.",
            target=str(target),
            log=ended.log,
        )

    try:
        return await follow(
            command,
            report,
            what=what,
            broken=broken,
            on_start=pids.append,
            on_progress=on_progress,
            on_notice=on_notice,
            cancelled=cancelled,
        )
    finally:
        for pid in pids:
            discard(part_file(target, pid))
