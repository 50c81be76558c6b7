"""What models of the thinking families write, and how it is to be told apart.

The templates are short ones of our own, in the form of the families': what they say before the
answer, where they look for a past answer's thinking, which variables they know.
"""

from __future__ import annotations

from typing import NamedTuple


def _chat(cue: str, *, begin: str = "", answered: str = "{{ m.content }}") -> str:
    """A template of turns `<|NAME|>TEXT`, with what lets the assistant begin."""
    return (
        f"{begin}{{% for m in messages %}}<|{{{{ m.role }}}}|>"
        f"{{% if m.role == 'assistant' %}}{answered}{{% else %}}{{{{ m.content }}}}{{% endif %}}"
        "<|over|>{% endfor %}"
        f"{{% if add_generation_prompt %}}<|assistant|>{cue}{{% endif %}}"
    )


_LAST_KEPT = (
    "{% if m.reasoning_content and loop.last %}<think>\n{{ m.reasoning_content }}\n</think>\n\n"
    "{% endif %}{{ m.content }}"
)
_OFF = (
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}"
)

TEMPLATES = {
    # The model opens; a variable shuts it.
    "qwen3": _chat("\n" + _OFF, answered=_LAST_KEPT),
    # The template opens, always; what was thought is cut out of a past answer.
    "deepseek-r1": _chat("<think>\n", answered="{{ m.content.split('</think>')[-1] }}"),
    # Off unless asked for, and then shut by the closing mark alone.
    "deepseek-v3.1": _chat(
        "{% if thinking %}<think>{% else %}</think>{% endif %}",
        answered="</think>{{ m.content }}",
    ),
    "glm": _chat(
        "{% if enable_thinking is defined and not enable_thinking %}\n<think></think>{% endif %}",
        answered="\n<think>{{ m.reasoning_content }}</think>\n{{ m.content }}",
    ),
    "smollm3": _chat(
        "{% if not enable_thinking | default(true) %}<think>\n\n</think>\n{% endif %}"
    ),
    # Told to think by words in its system prompt only; shown that way in the prompt.
    "nemotron": _chat(
        "{% if '/no_think' in messages[0].content %}<think></think>{% else %}<think>\n\n{% endif %}"
    ),
    "magistral": _chat(
        "", begin="<s>Draft your thinking first: [THINK]your thoughts[/THINK]your answer. "
    ),
    "gpt-oss": (
        "<|start|>system<|message|>Reasoning: {{ reasoning_effort | default('medium') }}<|end|>"
        "{% for m in messages %}{% if m.role == 'assistant' %}"
        "{% if m.thinking and loop.last and not add_generation_prompt %}"
        "<|start|>assistant<|channel|>analysis<|message|>{{ m.thinking }}<|end|>{% endif %}"
        "<|start|>assistant<|channel|>final<|message|>{{ m.content }}"
        "{{ '<|return|>' if loop.last and not add_generation_prompt else '<|end|>' }}"
        "{% else %}<|start|>{{ m.role }}<|message|>{{ m.content }}<|end|>{% endif %}"
        "{% endfor %}{% if add_generation_prompt %}<|start|>assistant{% endif %}"
    ),
    "granite-3.2": _chat(
        "\n",
        begin="{% if thinking %}<|system|>Write your thoughts after 'Here is my thought process:'"
        " and your response after 'Here is my response:'.<|over|>{% endif %}",
    ),
    "granite-3.3": _chat(
        "\n",
        begin="{% if thinking %}<|system|>Think between <think></think>, and answer between "
        "<response></response>.<|over|>{% endif %}",
    ),
    "command-a": _chat(
        "{% if reasoning is defined and not reasoning %}<|START_THINKING|><|END_THINKING|>"
        "{% endif %}",
        answered="<|START_RESPONSE|>{{ m.content }}<|END_RESPONSE|>",
    ),
    "seed-oss": _chat(
        "\n{% if thinking_budget == 0 %}<seed:think><seed:cot_budget_reflect>{% endif %}",
        begin="{% if thinking_budget is defined and thinking_budget > 0 %}Think for "
        "{{ thinking_budget }} tokens.{% endif %}",
        answered="<seed:think>{{ m.reasoning_content }}</seed:think>{{ m.content }}",
    ),
    "exaone-deep": _chat("<thought>\n", answered="{{ m.content.split('</thought>')[-1] }}"),
    "kimi": _chat("{% if thinking %}◁think▷{% endif %}"),
    "hunyuan": _chat(
        "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n"
        "{% endif %}",
        answered="<answer>\n{{ m.content }}\n</answer>",
    ),
    "ernie": _chat("<think>\n", answered="<response>\n{{ m.content }}\n</response>\n"),
    "phi-4-reasoning": _chat(
        "", begin="<|system|>Structure your response as <think>Thought</think> Solution.<|over|>"
    ),
    "gemma-4": _chat(
        "\n{% if not enable_thinking | default(false) %}<|channel>thought\n<channel|>{% endif %}"
    ),
    "reka": _chat(" ", answered="{{ m.content.split('</reasoning>')[-1] }}<reasoning>"),
}


class Transcript(NamedTuple):
    """What a model of a family wrote behind its prompt, and what is thinking, what answer in it."""

    family: str
    raw: str
    thinking: str
    answer: str


T = Transcript
_HEAD = "<|channel|>analysis<|message|>"
_FINAL = "<|start|>assistant<|channel|>final<|message|>"

TRANSCRIPTS = [
    # The model opens it, or does not.
    T("qwen3", "<think>\nTwo and two.\n</think>\n\nFour.", "Two and two.", "Four."),
    T("qwen3", "\n<think>\nHm.\n</think>\n\nYes.", "Hm.", "Yes."),
    T("qwen3", "<think>\n\n</think>\n\nHello!", "", "Hello!"),
    T("qwen3", "<think></think>Hello!", "", "Hello!"),
    T("qwen3", "Hello!", "", "Hello!"),
    T("qwen3", "  Hello, with its spaces. \n", "", "  Hello, with its spaces. \n"),
    T("qwen3", "", "", ""),
    T("qwen3", " \n", "", " \n"),
    T("qwen3", "<thin air", "", "<thin air"),
    T("qwen3", "<thi", "", "<thi"),
    T("qwen3", "The tag <think> opens, </think> closes.", "",
      "The tag <think> opens, </think> closes."),
    T("qwen3", "a</think>b", "", "a</think>b"),
    # Never closed.
    T("qwen3", "<think>\nOn and on.\n\nAnd on", "On and on.\n\nAnd on", ""),
    T("qwen3", "<think>", "", ""),
    T("qwen3", "<think>half a mark </thi", "half a mark </thi", ""),
    # Closed more than once: the first that closes is meant.
    T("qwen3", "<think>a\n</think>\nb </think> c", "a", "b </think> c"),
    T("qwen3", "<think>a</think>\n\n<think>b</think>c", "a", "<think>b</think>c"),
    # Spoken of, in code and in quotation marks.
    T("qwen3", "<think>\nI close with `</think>` later.\n</think>\n\nDone.",
      "I close with `</think>` later.", "Done."),
    T("qwen3", '<think>\nThe mark is "</think>".\n</think>\nDone.', 'The mark is "</think>".',
      "Done."),
    T("qwen3", "<think>\nDon't say '</think>' yet.\n</think>\nDone.",
      "Don't say '</think>' yet.", "Done."),
    T("qwen3", "<think>\nText.split(\"</think>\")[1]\n</think>\nDone.",
      'Text.split("</think>")[1]', "Done."),
    T("qwen3", "<think>\nAs in `<think>a</think>` there.\n</think>\nDone.",
      "As in `<think>a</think>` there.", "Done."),
    T("qwen3", "<think>\nThe form is <think>a</think>, then b.\n</think>\nDone.",
      "The form is <think>a</think>, then b.", "Done."),
    T("qwen3", "<think>\nFor example:\n```\n<think>\na\n</think>\nb\n```\nSo.\n</think>\nDone.",
      "For example:\n```\n<think>\na\n</think>\nb\n```\nSo.", "Done."),
    T("qwen3", "<think>\nHe says „</think>“ and «</think>».\n</think>\nDone.",
      "He says „</think>“ and «</think>».", "Done."),
    T("qwen3", "<think>\nA lone ` here</think>\n\nDone.", "A lone ` here", "Done."),
    T("qwen3", "<think>\n```python\nx = 1\n</think>\n\nDone.", "```python\nx = 1", "Done."),
    T("qwen3", "<think>\nIt ends with a quote: `</think>", "It ends with a quote: `", ""),
    T("qwen3", '<think>\nHe said "yes"</think>"No," said she.', 'He said "yes"',
      '"No," said she.'),
    # Letters of all lengths.
    T("qwen3", "<think>\nÜberlegen … 考える 🤔\n</think>\n\n答えは🦉です。",
      "Überlegen … 考える 🤔", "答えは🦉です。"),
    T("qwen3", "<think>\n  indented\n\n\n  more  \n</think>\n\n- a\n  - b\n",
      "indented\n\n\n  more", "- a\n  - b\n"),
    # The template opens it.
    T("deepseek-r1", "Okay, so.\n</think>\n\nParis.", "Okay, so.", "Paris."),
    T("deepseek-r1", "</think>\n\nParis.", "", "Paris."),
    T("deepseek-r1", "\n\n</think>\n\nParis.", "", "Paris."),
    T("deepseek-r1", "<think>\nOkay.\n</think>\n\nParis.", "Okay.", "Paris."),
    T("deepseek-r1", "Okay, so", "Okay, so", ""),
    T("deepseek-r1", "", "", ""),
    T("deepseek-r1", "The user wrote <think> in there. Fine.\n</think>\nParis.",
      "The user wrote <think> in there. Fine.", "Paris."),
    T("deepseek-r1", "<thinking is hard>\n</think>\nParis.", "<thinking is hard>", "Paris."),
    T("deepseek-v3.1", "Paris.", "", "Paris."),
    T("deepseek-v3.1", "<think> is a tag.", "", "<think> is a tag."),
    T("glm", "\n<think>The capital.</think>\nParis.", "The capital.", "Paris."),
    T("glm", "\n<think></think>\nParis.", "", "Paris."),
    T("smollm3", "<think>\nOkay.\n</think>\nParis.", "Okay.", "Paris."),
    T("nemotron", "We need to answer.\n</think>\n\nParis.", "We need to answer.", "Paris."),
    # Marks of other forms.
    T("magistral", "[THINK]The user asks.[/THINK]Paris.", "The user asks.", "Paris."),
    T("magistral", "[THINK]See [1] and [/T].[/THINK]\nParis [2].", "See [1] and [/T].",
      "Paris [2]."),
    T("magistral", "Paris [THINK].", "", "Paris [THINK]."),
    T("granite-3.2", "Here is my thought process:\n\nA city.\n\nHere is my response:\n\nParis.",
      "A city.", "Paris."),
    T("granite-3.2", "Here is my answer: Paris.", "", "Here is my answer: Paris."),
    T("granite-3.2", "Here is my thought process: I say \"Here is my response:\" after it.\n"
      "Here is my response: Paris.", 'I say "Here is my response:" after it.', "Paris."),
    T("granite-3.3", "<think>A city.</think><response>Paris.</response>", "A city.", "Paris."),
    T("command-a", "<|START_THINKING|>A city.<|END_THINKING|><|START_RESPONSE|>Paris."
      "<|END_RESPONSE|>", "A city.", "Paris."),
    T("command-a", "<|START_RESPONSE|>Paris.<|END_RESPONSE|>", "", "Paris."),
    T("command-a", "<|START_THINKING|>A city.<|END_THINKING|>Paris.", "A city.", "Paris."),
    T("seed-oss", "<seed:think>A city.<seed:cot_budget_reflect>I have used 3 tokens."
      "</seed:cot_budget_reflect></seed:think>Paris.",
      "A city.<seed:cot_budget_reflect>I have used 3 tokens.</seed:cot_budget_reflect>", "Paris."),
    T("exaone-deep", "A city.\n</thought>\n\nParis.", "A city.", "Paris."),
    T("kimi", "◁think▷A city.◁/think▷Paris.", "A city.", "Paris."),
    T("kimi", "◁◁think▷ is no mark", "", "◁◁think▷ is no mark"),
    T("hunyuan", "<think>\nA city.\n</think>\n<answer>\nParis.\n</answer>", "A city.", "Paris."),
    T("hunyuan", "<think>\nA.\n</think>\n<answer>\nWrite </answer> at the end.\n</answer>\n", "A.",
      "Write </answer> at the end."),
    T("hunyuan", "<think>\nA.\n</think>\n<answer>\nCut off </ans", "A.", "Cut off </ans"),
    T("hunyuan", "<answer>\nParis.\n</answer>", "", "Paris."),
    T("hunyuan", "<think>\nA.\n</think>\nParis.</answer>", "A.", "Paris.</answer>"),
    T("ernie", "A city.\n</think>\n\n<response>\nParis.\n</response>\n", "A city.", "Paris."),
    T("phi-4-reasoning", "<think>A city.</think> Paris.", "A city.", "Paris."),
    T("gemma-4", "<|channel>thought is a mark", "", "<|channel>thought is a mark"),
    T("reka", "<reasoning>A city.</reasoning>Paris.", "A city.", "Paris."),
    # Channels.
    T("gpt-oss", f"{_HEAD}A city.<|end|>{_FINAL}Paris.", "A city.", "Paris."),
    T("gpt-oss", f"{_HEAD}A city.<|end|>{_FINAL}Paris.<|return|>", "A city.", "Paris."),
    T("gpt-oss", f"{_HEAD}A.<|end|><|start|>assistant{_HEAD}B.<|end|>{_FINAL}Paris.", "A.\n\nB.",
      "Paris."),
    T("gpt-oss", f"{_HEAD}A.<|end|><|start|>assistant<|channel|>commentary<|message|>I look."
      f"<|end|>{_FINAL}Paris.", "A.", "I look.\n\nParis."),
    T("gpt-oss", "<|channel|>final<|message|>Paris.", "", "Paris."),
    T("gpt-oss", "Paris.", "", "Paris."),
    T("gpt-oss", " Paris. ", "", " Paris. "),
    T("gpt-oss", f"{_HEAD}On and on", "On and on", ""),
    T("gpt-oss", f"{_HEAD}A.<|end|>{_FINAL}", "A.", ""),
    T("gpt-oss", f"{_HEAD}A.<|end|><|start|>assist", "A.", ""),
    T("gpt-oss", f"{_HEAD}I end with `<|end|>`, then.<|end|>{_FINAL}Paris.",
      "I end with `<|end|>`, then.", "Paris."),
    T("gpt-oss", f"{_HEAD}A.<|channel|>final <|constrain|>json<|message|>{{}}", "A.", "{}"),
]  # fmt: skip
