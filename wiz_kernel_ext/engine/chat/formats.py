"""How the usual families of chat models write a conversation, as Jinja texts of our own.

For a file that comes without its template. A system prompt goes where the family has a place for
it, else in front of the first question.
"""

from __future__ import annotations

# Splits a leading system message off: `system` is its text or empty, `turns` is the rest.
_SYSTEM_APART = (
    "{%- if messages and messages[0].role == 'system' -%}"
    "{%- set system = messages[0].content -%}{%- set turns = messages[1:] -%}"
    "{%- else -%}"
    "{%- set system = '' -%}{%- set turns = messages -%}"
    "{%- endif -%}"
)


def _tagged(opening: str, between: str, closing: str, *, begin: str = "") -> str:
    """A family that writes `opening`, the role, `between`, the text, `closing` for every turn."""
    return (
        f"{begin}{{% for message in messages %}}"
        f"{opening}{{{{ message.role }}}}{between}{{{{ message.content }}}}{closing}"
        "{% endfor %}"
        f"{{% if add_generation_prompt %}}{opening}assistant{between}{{% endif %}}"
    )


def _turns(
    asked: str,
    answered: str,
    cue: str,
    *,
    begin: str = "",
    system: str = "",
    first: str = "{{ system + '\\n\\n' + message.content }}",
) -> str:
    """A family with one form for what the user says and one for what the assistant does.

    `{text}` stands for the text; `cue` is what lets the assistant begin. Without a form for the
    `system` prompt it goes in front of the first question, as `first` has it.
    """
    apart = f"{{% if system %}}{system.replace('{text}', '{{ system }}')}{{% endif %}}"
    text = "{{ message.content }}"
    if not system:
        text = f"{{% if loop.first and system %}}{first}{{% else %}}{text}{{% endif %}}"
    return (
        f"{_SYSTEM_APART}{begin}{apart if system else ''}"
        "{%- for message in turns -%}"
        f"{{%- if message.role == 'assistant' %}}{answered.replace('{text}', text)}"
        f"{{% else %}}{asked.replace('{text}', text)}{{% endif -%}}"
        "{%- endfor -%}"
        f"{{% if add_generation_prompt %}}{cue}{{% endif %}}"
    )


FORMATS = {
    "alpaca": _turns(
        "### Instruction:{{ '\\n' }}{text}{{ '\\n\\n' }}",
        "### Response:{{ '\\n' }}{text}{{ eos_token + '\\n\\n' }}",
        "### Response:{{ '\\n' }}",
        begin="{{ bos_token }}",
        system="{text}{{ '\\n\\n' }}",
    ),
    "chatml": _tagged("<|im_start|>", "{{ '\\n' }}", "<|im_end|>{{ '\\n' }}"),
    "command-r": _turns(
        "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>{text}<|END_OF_TURN_TOKEN|>",
        "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>{text}<|END_OF_TURN_TOKEN|>",
        "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>",
        begin="{{ bos_token }}",
        system="<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>{text}<|END_OF_TURN_TOKEN|>",
    ),
    "deepseek": _turns(
        "<｜User｜>{text}",
        "<｜Assistant｜>{text}<｜end▁of▁sentence｜>",
        "<｜Assistant｜>",
        begin="{{ bos_token }}",
        system="{text}",
    ),
    "falcon": _turns(
        "User: {text}{{ '\\n' }}",
        "Assistant: {text}{{ '\\n' }}",
        "Assistant:",
        system="System: {text}{{ '\\n' }}",
    ),
    "gemma": _turns(
        "<start_of_turn>user{{ '\\n' }}{text}<end_of_turn>{{ '\\n' }}",
        "<start_of_turn>model{{ '\\n' }}{text}<end_of_turn>{{ '\\n' }}",
        "<start_of_turn>model{{ '\\n' }}",
        begin="{{ bos_token }}",
    ),
    "granite": _tagged("<|start_of_role|>", "<|end_of_role|>", "<|end_of_text|>{{ '\\n' }}"),
    "llama2": _turns(
        "{{ bos_token }}[INST] {text} [/INST]",
        " {text} {{ eos_token }}",
        "",
        first="<<SYS>>{{ '\\n' + system + '\\n<</SYS>>\\n\\n' + message.content }}",
    ),
    "llama3": _tagged(
        "<|start_header_id|>",
        "<|end_header_id|>{{ '\\n\\n' }}",
        "<|eot_id|>",
        begin="{{ bos_token }}",
    ),
    "mistral": _turns(
        "[INST] {text} [/INST]", " {text}{{ eos_token }}", "", begin="{{ bos_token }}"
    ),
    "openchat": _turns(
        "GPT4 Correct User: {text}<|end_of_turn|>",
        "GPT4 Correct Assistant: {text}<|end_of_turn|>",
        "GPT4 Correct Assistant:",
        begin="{{ bos_token }}",
    ),
    "phi3": _tagged("<|", "|>{{ '\\n' }}", "<|end|>{{ '\\n' }}"),
    "phi4": _tagged("<|im_start|>", "<|im_sep|>", "<|im_end|>"),
    "vicuna": _turns(
        "USER: {text} ",
        "ASSISTANT: {text}{{ eos_token }}",
        "ASSISTANT:",
        begin="{{ bos_token }}",
        system="{text} ",
    ),
    "zephyr": _tagged("<|", "|>{{ '\\n' }}", "{{ eos_token }}{{ '\\n' }}"),
}
"""The Jinja text of each family, by the names of `TEMPLATE_NAMES`."""
