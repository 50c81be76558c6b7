"""A conversation in pages: what a panel's state has of it, and what a page asks for. Pure.

Pages are counted from the first message on, so that a conversation that goes on only ever adds to
the last one: the state has the last two, whoever looks and whenever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wiz_kernel_ext.protocol.results import SessionMessage

PAGE_SIZE = 40
PAGE_CHARS = 100_000


def page_starts(messages: Sequence[SessionMessage]) -> list[int]:
    """The number of each page's first message: pages have `PAGE_SIZE`, or fewer long ones."""
    starts, chars = [0], 0
    for number, message in enumerate(messages):
        if number - starts[-1] >= PAGE_SIZE or chars >= PAGE_CHARS:
            starts.append(number)
            chars = 0
        chars += len(message.content) + len(message.thinking)
    return starts


def latest(messages: Sequence[SessionMessage]) -> int:
    """The number of the first message that the state has: that of the last page but one."""
    return page_starts(messages)[-2:][0]


def before(messages: Sequence[SessionMessage], number: int) -> int:
    """The number of the first message of the two pages that come before message `number`."""
    return ([start for start in page_starts(messages) if start < number][-2:] or [0])[0]


def as_page(
    messages: Sequence[SessionMessage], smalls: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """Messages as plain values; `smalls` has the line under an answer, by its operation."""
    smalls = smalls or {}
    return [
        {
            "role": m.role,
            "text": m.content,
            "thinking": m.thinking,
            "operation": m.operation_id,
            "finish": m.finish_reason,
            "small": smalls.get(m.operation_id or "", "") if m.role == "assistant" else "",
        }
        for m in messages
    ]
