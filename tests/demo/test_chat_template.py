"""Training renders the same text as the chat template does at inference."""

from __future__ import annotations

import json
from typing import Any

from jinja2.sandbox import ImmutableSandboxedEnvironment

from wiz_kernel_ext.demo.cases import cases
from wiz_kernel_ext.demo.chat_template import TEMPLATE, segments


def render(messages: list[dict[str, Any]], tools: list[dict[str, Any]], prompt: bool) -> str:
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    template = environment.from_string(TEMPLATE)
    return template.render(messages=messages, tools=tools or None, add_generation_prompt=prompt)


def test_segments_equal_the_template_for_every_skill() -> None:
    for case in cases(10):
        answered = [*case.messages, {"role": "assistant", "content": case.expected}]
        pieces = segments(answered, case.tools)
        assert "".join(piece.text for piece in pieces) == render(answered, case.tools, False)
        assert pieces[-2].text == f"{case.expected}<|im_end|>"
        assert pieces[-2].skill


def test_the_generation_prompt_is_what_stands_before_an_answer() -> None:
    for case in cases(3):
        answered = [*case.messages, {"role": "assistant", "content": case.expected}]
        text = render(case.messages, case.tools, True)
        assert render(answered, case.tools, False).startswith(text + case.expected)


def test_a_structured_tool_call_renders_like_the_text_the_model_wrote() -> None:
    call = {"name": "get_weather", "arguments": {"city": "São Paulo"}}
    text = f"<tool_call>\n{json.dumps(call, ensure_ascii=False)}\n</tool_call>"
    user = {"role": "user", "content": "What is the weather in São Paulo?"}
    written = render([user, {"role": "assistant", "content": text}], [], False)
    for form in (call, {"type": "function", "function": call}):
        message = {"role": "assistant", "content": "", "tool_calls": [form]}
        assert render([user, message], [], False) == written


def test_tools_are_listed_as_signatures_whatever_their_schemas_leave_out() -> None:
    offered: list[dict[str, Any]] = [
        {"type": "function", "function": {"name": "now"}},
        {"name": "bare", "description": "Bare form", "parameters": {"type": "object"}},
        {"function": {"name": "f", "parameters": {"properties": {"x": {}, "y": {"type": "null"}}}}},
    ]
    user = {"role": "user", "content": "Hi"}
    text = render([user], offered, False)
    assert "\nnow()\nbare() Bare form\nf(x: any, y: null)<|im_end|>" in text
    assert "".join(piece.text for piece in segments([user], offered)) == text


def test_a_tool_result_stands_in_a_tool_response() -> None:
    text = render([{"role": "tool", "content": "sunny"}], [], True)
    assert "<tool_response>\nsunny\n</tool_response>" in text


def test_no_system_prompt_writes_no_system_turn() -> None:
    assert "system" not in render([{"role": "user", "content": "Hello"}], [], True)
    assert "system" not in render(
        [{"role": "system", "content": ""}, {"role": "user", "content": "Hello"}], [], True
    )
