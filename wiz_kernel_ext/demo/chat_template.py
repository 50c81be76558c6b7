"""The model's chat template, as Jinja for the GGUF and as plain Python for training.

`TEMPLATE` is what inference renders; `segments` writes the same text piece by piece, so that
training knows which pieces are the assistant's. A test holds the two equal. Calls and results have
the Hermes/Qwen form; the tools on offer are listed as signatures and not as JSON schemas, because
a model this small reads "get_weather(city: string)" far better, and four times as fast.
"""

# ruff: noqa: E501 (the template's lines are as long as its conditions)
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TEMPLATE = r"""{%- if tools %}
{{- '<|im_start|>system\n' }}
{%- if messages[0].role == 'system' and messages[0].content %}{{- messages[0].content + '\n\n' }}{%- endif %}
{{- '# Tools (use one with <tool_call>)' }}
{%- for tool in tools %}
{%- set function = tool.function if tool.function is defined else tool %}
{{- '\n' + function.name + '(' }}
{%- if function.parameters is defined and function.parameters.properties is defined %}
{%- for name, schema in function.parameters.properties.items() %}
{{- name + ': ' + (schema.type | default('any') | string) }}{%- if not loop.last %}{{- ', ' }}{%- endif %}
{%- endfor %}
{%- endif %}
{{- ')' }}{%- if function.description %}{{- ' ' + function.description }}{%- endif %}
{%- endfor %}
{{- '<|im_end|>\n' }}
{%- elif messages[0].role == 'system' and messages[0].content %}
{{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}
{%- endif %}
{%- for message in messages %}
{%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}
{{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
{%- elif message.role == 'assistant' %}
{{- '<|im_start|>assistant\n' }}
{%- if message.content %}{{- message.content }}{%- endif %}
{%- if message.tool_calls %}
{%- for tool_call in message.tool_calls %}
{%- if tool_call.function is defined %}{%- set tool_call = tool_call.function %}{%- endif %}
{%- if message.content or not loop.first %}{{- '\n' }}{%- endif %}
{{- '<tool_call>\n{"name": "' + tool_call.name + '", "arguments": ' }}
{%- if tool_call.arguments is string %}{{- tool_call.arguments }}{%- else %}{{- tool_call.arguments | tojson }}{%- endif %}
{{- '}\n</tool_call>' }}
{%- endfor %}
{%- endif %}
{{- '<|im_end|>\n' }}
{%- elif message.role == 'tool' %}
{{- '<|im_start|>user\n<tool_response>\n' + message.content + '\n</tool_response><|im_end|>\n' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"""

_TOOLS_INTRO = "# Tools (use one with <tool_call>)"


@dataclass(frozen=True)
class Segment:
    """A piece of rendered text; `skill` names the answer it is, or is empty for the rest."""

    text: str
    skill: str = ""


def segments(
    messages: Sequence[Mapping[str, Any]],
    tools: Iterable[Mapping[str, Any]] = (),
    skills: Sequence[str] = (),
) -> list[Segment]:
    """Render a conversation, the assistant's answers as segments of their own.

    Args:
        messages: role and content of each message, the system prompt first if there is one.
        tools: the tools on offer, in the function form.
        skills: one name per assistant message, in order; "answer" where missing.
    """
    pieces: list[Segment] = []
    names = iter(skills)
    rest = list(messages)
    system = str(rest.pop(0)["content"]) if rest and rest[0]["role"] == "system" else ""
    offered = [_signature(tool) for tool in tools]
    if offered:
        intro = system + "\n\n" if system else ""
        system = "\n".join([intro + _TOOLS_INTRO, *offered])
    if system:
        pieces.append(Segment(f"<|im_start|>system\n{system}<|im_end|>\n"))
    for message in rest:
        role, content = message["role"], message["content"]
        if role == "assistant":
            pieces.append(Segment("<|im_start|>assistant\n"))
            pieces.append(Segment(f"{content}<|im_end|>", next(names, "answer")))
            pieces.append(Segment("\n"))
        elif role == "tool":
            pieces.append(
                Segment(
                    f"<|im_start|>user\n<tool_response>\n{content}\n</tool_response><|im_end|>\n"
                )
            )
        else:
            pieces.append(Segment(f"<|im_start|>{role}\n{content}<|im_end|>\n"))
    return pieces


def _signature(tool: Mapping[str, Any]) -> str:
    """Return "name(parameter: type, …) description": what a small model can read of a schema."""
    function = tool.get("function", tool)
    properties = function.get("parameters", {}).get("properties", {})
    listed = ", ".join(
        f"{name}: {schema.get('type', 'any')}" for name, schema in properties.items()
    )
    described = f" {function['description']}" if function.get("description") else ""
    return f"{function['name']}({listed}){described}"
