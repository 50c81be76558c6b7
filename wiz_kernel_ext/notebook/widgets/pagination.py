"""A conversation in pages, from its end: what a page is sent of it at a time. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wiz_kernel_ext.protocol.results import SessionMessage

PAGE_SIZE = 40
PAGE_CHARS = 200_000


def page_before(messages: Sequence[SessionMessage], before: int, n: int) -> int:
    """Where a page that ends before number `before` begins: `n` messages, or fewer long ones."""
    first, chars = before, 0
    while first > 0 and before - first < n and chars < PAGE_CHARS:
        first -= 1
        chars += len(messages[first].content)
    return first


def as_page(messages: Sequence[SessionMessage]) -> list[dict[str, Any]]:
    """Messages as the page takes them."""
    return [
        {"role": m.role, "text": m.content, "operation": m.operation_id, "finish": m.finish_reason}
        for m in messages
    ]
