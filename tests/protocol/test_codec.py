"""Payloads checked: a complaint names the field, and what next to it would have been taken."""

from __future__ import annotations

from typing import Any

import pytest

from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.protocol.codec import build, decode_request, encode
from wiz_kernel_ext.protocol.requests import CreateContext


@pytest.mark.parametrize(
    ("payload", "field", "known"),
    [
        ({}, "prompt", "prompt, options, session"),
        ({"prompt": "x", "bogus": 1}, "bogus", "prompt, options, session"),
        ({"prompt": "x", "modelPath": 3}, "modelPath", "prompt, options, session"),
        ({"prompt": "x", "options": {"temp": 1}}, "options.temp", "temperature, topK, topP"),
    ],
)
def test_a_complaint_names_the_field_and_lists_those_there_are(
    payload: dict[str, Any], field: str, known: str
) -> None:
    with pytest.raises(BadRequest) as caught:
        decode_request("worker:prompt", encode(payload))
    assert caught.value.details["field"] == field
    assert caught.value.hint.startswith(f"It takes: {known}")


def test_an_unknown_keyword_is_told_the_known_ones() -> None:
    with pytest.raises(BadRequest, match="Unknown option 'ctx'") as caught:
        build(CreateContext, {"ctx": 512})
    assert "context_size" in caught.value.hint
