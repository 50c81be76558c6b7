"""What an operation says while it waits for another: for which, how far that is, how to end that.

Knows operations only. Who waits for a turn, a model or a place in the engine says who is ahead.
And what it says while the worker it waits for makes no progress.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from wiz_kernel_ext.protocol.events import WAITING, Progress
from wiz_kernel_ext.protocol.results import LOAD_KINDS
from wiz_kernel_ext.service.operations import Operation
from wiz_kernel_ext.service.progress import Silent

Ahead = Callable[[], Sequence[Operation]]

SOON_S = 0.3
"""A wait that is over by then is not worth a word."""
AGAIN_S = 1.0
TITLE_LENGTH = 40


def telling_silence(operation: Operation) -> Callable[[Silent], None]:
    """What tells `operation` that the worker it waits for makes no progress."""
    return lambda silent: operation.emit(silent.notice(operation.id))


@contextmanager
def telling(operation: Operation, ahead: Ahead) -> Iterator[None]:
    """In this block `operation` waits for those `ahead`, the first of which is named."""
    task = asyncio.create_task(_tell(operation, ahead))
    try:
        yield
    finally:
        task.cancel()


def before(operations: Sequence[Operation], operation: Operation) -> list[Operation]:
    """Those of `operations`, the oldest first, that came before `operation`."""
    return [one for one in operations if one is not operation and one.number < operation.number]


def behind(ahead: Sequence[Operation]) -> str:
    """For what one waits, in words; commands in it as in a hint."""
    first = ahead[0]
    more = f" and {len(ahead) - 1} more" if len(ahead) > 1 else ""
    ways = f"`wiz cancel {first.id}` ends it, `wiz attach {first.id}` shows it"
    return f"waiting for {first.id} ({_about(first)}){more}: {ways}"


async def _tell(operation: Operation, ahead: Ahead) -> None:
    told = ""
    await asyncio.sleep(SOON_S)
    while True:
        others = ahead()
        text = behind(others) if others else ""
        if text and text != told:
            operation.emit(Progress(stage=WAITING, done=0.0, text=text))
            told = text
        await asyncio.sleep(AGAIN_S)


def _about(operation: Operation) -> str:
    # A backtick would begin a command.
    title = " ".join(operation.title.split()).replace("`", "'")
    title = title if len(title) <= TITLE_LENGTH else title[: TITLE_LENGTH - 1] + "…"
    kind = "load" if operation.kind in LOAD_KINDS else operation.kind
    parts = [f"{kind} “{title}”" if title else kind]
    if operation.session:
        parts.append(f"session {operation.session}")
    return ", ".join([*parts, _how_far(operation)])


def _how_far(operation: Operation) -> str:
    step = operation.progress
    if operation.n_tokens:
        tokens = "1 token" if operation.n_tokens == 1 else f"{operation.n_tokens} tokens"
        return f"{tokens} so far"
    if step.stage == WAITING or operation.state == "queued":
        return "waiting too"
    if not step.total:
        return "just begun"
    share = f"{step.done / step.total:.0%}"
    return f"{share} read" if step.stage == "prompt" else share
