"""Runs tasks in the child process that talks to the hub, one for each.

Knows what is asked (`fetch/messages.py`), not huggingface_hub. Called by `download`, `search`,
`inspection` and `library`, in whatever process they run.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from typing import TypeVar

import msgspec

from wiz_kernel_ext import surroundings
from wiz_kernel_ext.children.child import Ended, OnNotice, OnProgress, follow
from wiz_kernel_ext.errors import DownloadFailed
from wiz_kernel_ext.hub.fetch.tasks import AnyTask, Order

T = TypeVar("T")

_QUIET = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    # Else it asks the hub for a list of programs first: 3 s more of a silent network, and a list
    # that is none, from a mirror, fails everything for a day.
    "HF_HUB_DISABLE_TELEMETRY": "1",
}
# Names are looked up by the C library, which takes 10 s and more for a silent network.
_PATIENCE = {"RES_OPTIONS": "timeout:2 attempts:2"}
_COMMAND = (sys.executable, "-m", "wiz_kernel_ext.hub.fetch")


async def run_task(
    task: AnyTask,
    result: type[T],
    *,
    on_progress: OnProgress | None = None,
    on_notice: OnNotice | None = None,
    cancelled: asyncio.Event | None = None,
    environment: Mapping[str, str] | None = None,
) -> T:
    """Run `task`; its result, decoded as `result`.

    Raises the WizError the child ends with, OperationCancelled once `cancelled` is set (the child
    is dead by then), DownloadFailed with the last of its log where it ends without a word.
    """
    known = surroundings.environment() if environment is None else environment
    started_with, told = surroundings.apart(known)

    def broken(ended: Ended) -> DownloadFailed:
        log = surroundings.without_tokens("\n".join(ended.log), known)
        return DownloadFailed(
            f"{task.title} broke off: {Ended(ended.returncode, [])}.",
            hint="Run it again; `log` in the error's details has what it said.",
            log=log,
        )

    return await follow(
        _COMMAND,
        result,
        what=task.title,
        broken=broken,
        order=msgspec.json.encode(Order(task, told)) + b"\n",
        on_progress=on_progress,
        on_notice=on_notice,
        cancelled=cancelled,
        environment={**_PATIENCE, **started_with, **_QUIET},
    )
