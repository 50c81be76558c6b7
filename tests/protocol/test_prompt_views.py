"""What may be counted."""

from __future__ import annotations

import pytest

from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.protocol.codec import build
from wiz_kernel_ext.protocol.prompt_views import Count, count_fields

DEEP: list[object] = []
for _ in range(300):
    DEEP = [DEEP]


def test_a_text_or_messages_are_counted_and_never_both_or_neither() -> None:
    assert count_fields("x") == {"text": "x"}
    assert count_fields(({"role": "user"},)) == {"messages": [{"role": "user"}]}
    with pytest.raises(BadRequest, match="not int"):
        count_fields(7)
    for fields in ({}, {"text": "x", "messages": []}):
        with pytest.raises(BadRequest, match="a text or messages"):
            build(Count, fields)


def test_tools_without_end_are_refused() -> None:
    with pytest.raises(BadRequest):
        build(Count, {"messages": [], "tools": [{"name": DEEP}]})
