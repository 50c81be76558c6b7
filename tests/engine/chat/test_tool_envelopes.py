"""How calls are written is found by asking the template, whatever its family is called."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wiz_kernel_ext.demo.chat_template import TEMPLATE as DEMO
from wiz_kernel_ext.engine.chat.template import ChatTemplate
from wiz_kernel_ext.engine.chat.tool_envelopes import CALL_ID, PLAIN, Envelope, find_envelope

HERMES = """{%- for m in messages %}{{- '<|im_start|>' + m.role + '\n' + (m.content or '') }}
{%- for call in m.tool_calls or [] %}
{%- if m.content or not loop.first %}{{- '\n' }}{%- endif %}
{{- '<tool_call>\n{"name": "' + call.function.name + '", "arguments": ' }}
{{- call.function.arguments | tojson }}{{- '}\n</tool_call>' }}
{%- endfor %}{{- '<|im_end|>\n' }}{%- endfor %}"""
THINKING = HERMES.replace(
    "'\n' + (m.content", "'\n' + ('<think>\n\n</think>\n\n' if loop.last else '') + (m.content"
)
LLAMA = """{%- for m in messages %}{{- '<|head|>' + m.role + '<|end_head|>\n\n' }}
{%- if not m.tool_calls %}{{- m.content | trim }}
{%- else %}
{%- if m.tool_calls | length != 1 %}{{- raise_exception('one at a time') }}{%- endif %}
{%- set call = m.tool_calls[0].function %}
{{- '{"name": "' + call.name + '", "parameters": ' }}{{- call.arguments | tojson + '}' }}
{%- endif %}{{- '<|eot|>' }}{%- endfor %}"""
MISTRAL = """{%- for m in messages %}
{%- if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{- raise_exception('turns') }}{%- endif %}
{%- if m.role == 'user' %}{{- '[INST]' + m.content + '[/INST]' }}
{%- elif m.tool_calls is defined %}{{- '[TOOL_CALLS][' }}
{%- for call in m.tool_calls %}{%- set text = call.function | tojson %}
{%- if call.id | length != 9 %}{{- raise_exception('nine') }}{%- endif %}
{{- text[:-1] + ', "id": "' + call.id + '"}' }}{{- ', ' if not loop.last else ']' }}
{%- endfor %}{{- eos_token }}
{%- else %}{{- m.content + eos_token }}{%- endif %}{%- endfor %}"""
NAMED = """{%- for m in messages %}
{%- if m.role == 'user' %}{{- '[INST]' + m.content + '[/INST]' }}
{%- else %}{{- m.content }}{%- for call in m.tool_calls or [] %}
{%- set given = call.function.arguments %}
{%- if given is not string %}{%- set given = given | tojson %}{%- endif %}
{{- '[TOOL_CALLS]' + call.function.name + '[ARGS]' + given }}
{%- endfor %}{{- eos_token }}{%- endif %}{%- endfor %}"""
NESTED = """{%- for m in messages %}
{%- if m.role == 'user' %}{{- '<|U|>' + m.content }}
{%- elif m.content is none %}{{- '<|A|><|calls|>' }}
{%- for call in m.tool_calls %}
{{- '<|call|>' + call.function.name + '<|sep|>' + call.function.arguments + '<|end|>' }}
{%- endfor %}{{- '<|ends|><|over|>' }}
{%- else %}{{- '<|A|>' + m.content + '<|over|>' }}{%- endif %}{%- endfor %}"""
TOLD = (
    "{%- if tools %}Say <tool_call>[{{ tools }}]</tool_call>{%- endif %}{{- messages[0].content }}"
)
XML = """{%- for m in messages %}{{- m.role + (m.content or '') }}
{%- for call in m.tool_calls or [] %}<tool_call><function={{ call.function.name }}>
{%- for name, value in call.function.arguments | items %}
<parameter={{ name }}>{{ value }}</parameter>{%- endfor %}</function></tool_call>
{%- endfor %}{%- endfor %}"""
SILENT = "{%- for m in messages %}{{- m.role + ': ' + m.content }}{%- endfor %}{{- tools }}"

HERMES_FORM = Envelope(
    '<tool_call>\n{"name": "',
    '", "arguments": ',
    "}\n</tool_call>",
    '}\n</tool_call>\n<tool_call>\n{"name": "',
    text_first=True,
)
FORMS = {
    "hermes": (HERMES, HERMES_FORM),
    "hermes with thinking": (THINKING, HERMES_FORM),
    "the demo model": (DEMO, HERMES_FORM),
    "llama": (LLAMA, Envelope('{"name": "', '", "parameters": ', "}")),
    "mistral": (
        MISTRAL,
        Envelope(
            '[TOOL_CALLS][{"name": "',
            '", "arguments": ',
            f', "id": "{CALL_ID}"}}]',
            f', "id": "{CALL_ID}"}}, {{"name": "',
        ),
    ),
    "newer mistral": (
        NAMED,
        Envelope("[TOOL_CALLS]", "[ARGS]", "", "[TOOL_CALLS]", text_first=True),
    ),
    "arguments as text, no content": (
        NESTED,
        Envelope("<|calls|><|call|>", "<|sep|>", "<|end|><|ends|>", "<|end|><|call|>"),
    ),
    "a list that is told of only": (
        TOLD,
        Envelope(
            '<tool_call>[{"name": "',
            '", "arguments": ',
            "}]</tool_call>",
            '}, {"name": "',
            text_first=True,
        ),
    ),
    "arguments that are no JSON": (XML, None),
    "nothing known": (SILENT, None),
}


def found(template: str) -> Envelope | None:
    made = ChatTemplate(template)

    def write(messages: list[dict[str, Any]], tools: list[Any] | None) -> str:
        return made.render(
            messages=messages,
            tools=tools,
            add_generation_prompt=False,
            bos_token="<s>",
            eos_token="</s>",
        )

    return find_envelope(write, template)


@pytest.mark.parametrize("family", FORMS)
def test_a_template_shows_how_its_model_calls_tools(family: str) -> None:
    template, envelope = FORMS[family]
    assert found(template) == envelope


@pytest.mark.parametrize(
    ("envelope", "mark", "is_bare"),
    [
        (HERMES_FORM, "<tool_call>", False),
        (Envelope('[TOOL_CALLS] [{"name": "', "", ""), "[TOOL_CALLS]", False),
        (PLAIN, '{"name": "', True),
    ],
)
def test_a_call_is_known_by_its_tag_or_by_all_before_its_name(
    envelope: Envelope, mark: str, is_bare: bool
) -> None:
    assert (envelope.mark, envelope.is_bare) == (mark, is_bare)


def written(envelope: Envelope, calls: list[tuple[str, Any]]) -> str:
    texts = [name + envelope.middle + json.dumps(arguments) for name, arguments in calls]
    joined = (envelope.between or "").join(texts)
    return f"{envelope.first}{joined}{envelope.last}".replace(CALL_ID, "abcdef123")


arguments = st.dictionaries(
    st.text(max_size=5),
    st.recursive(
        st.none() | st.integers() | st.text(max_size=20) | st.sampled_from(['"}', "</tool_call>"]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=5,
    ),
    max_size=3,
)
calls = st.lists(
    st.tuples(st.from_regex(r"[A-Za-z0-9_][a-zA-Z0-9_.-]{0,9}", fullmatch=True), arguments),
    min_size=1,
    max_size=3,
)


@given(st.sampled_from([form for _, form in FORMS.values() if form]), calls, st.text("ab <\n"))
def test_what_is_written_is_read_again(
    envelope: Envelope, calls: list[tuple[str, Any]], before: str
) -> None:
    calls = calls if envelope.between is not None else calls[:1]
    before = before if envelope.text_first else ""
    text = before + written(envelope, calls)
    read = envelope.calls(text, anywhere=envelope.text_first)
    assert [(name, json.loads(text[start:end])) for name, start, end in read] == calls


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        '<tool_call>\n{"name": "get", "arguments": {"a": 1}}',
        '<tool_call>\n{"name": "get", "arguments": [1]}\n</tool_call>',
        '<tool_call>\n{"name": "get", "arguments": {"a": }}\n</tool_call>',
        '<tool_call>\n{"name": "get", "arguments": {}}\n</tool_call> and more',
        '<tool_call>\n{"name": "g t", "arguments": {}}\n</tool_call>',
    ],
)
def test_what_is_no_call_is_read_as_none(text: str) -> None:
    assert HERMES_FORM.calls(text, anywhere=True) == []


def test_text_before_a_call_is_none_where_the_family_has_none() -> None:
    text = "x" + written(PLAIN, [("get", {})])
    assert PLAIN.calls(text, anywhere=False) == []
    assert PLAIN.calls(text[1:], anywhere=False)
