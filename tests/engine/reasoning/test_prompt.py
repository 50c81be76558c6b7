"""How a template has its model think is found by asking it, and its prompts end as is asked."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.engine.fake_backend import FakeModel
from tests.engine.reasoning.transcripts import TEMPLATES
from wiz_kernel_ext.engine.chat.encoder import ChatEncoder, ChatPrompt
from wiz_kernel_ext.engine.chat.formats import FORMATS
from wiz_kernel_ext.engine.reasoning.prompt import NOT_APART
from wiz_kernel_ext.protocol.chat_templates import RAW
from wiz_kernel_ext.protocol.messages import ChatMessage

MARKS = [
    *"<think> </think> [THINK] [/THINK]".split(),
    *"<|channel|> <|message|> <|end|> <|start|> <|return|>".split(),
    *"<|START_THINKING|> <|END_THINKING|> <|START_RESPONSE|> <|END_RESPONSE|>".split(),
]
FIRST = 300


class MarkedModel(FakeModel):
    """A vocabulary with tokens, which print nothing, for the marks of some families."""

    def tokenize(self, text: str, *, parse_special: bool) -> list[int]:
        tokens: list[int] = []
        for part in re.split("(" + "|".join(map(re.escape, MARKS)) + ")", text):
            if parse_special and part in MARKS:
                tokens.append(FIRST + MARKS.index(part))
            else:
                tokens += part.encode()
        return tokens

    def piece(self, token: int) -> bytes:
        return b"" if token >= FIRST else super().piece(token)

    def text_of(self, token: int) -> str:
        return MARKS[token - FIRST] if token >= FIRST else super().text_of(token)

    def control_texts(self) -> list[str]:
        return MARKS


def written(prompt: ChatPrompt) -> str:
    model = MarkedModel()
    pieces = [model.piece(token) or model.text_of(token).encode() for token in prompt.tokens]
    return b"".join(pieces).decode()


def prompt(template: str, **asked: Any) -> ChatPrompt:
    encoder = ChatEncoder(MarkedModel(chat_template=TEMPLATES.get(template, template)))
    return encoder.prompt([ChatMessage(role="user", content="A")], **asked)


SHUT = "<think>\n\n</think>\n\n"
CASES = [
    # Template, think, how its prompt ends, whether the answer begins within the thinking.
    ("qwen3", None, "<|assistant|>\n", False),
    ("qwen3", True, "<|assistant|>\n<think>\n", True),
    ("qwen3", False, f"<|assistant|>\n{SHUT}", None),
    ("deepseek-r1", None, "<|assistant|><think>\n", True),
    ("deepseek-r1", True, "<|assistant|><think>\n", True),
    ("deepseek-r1", False, f"<|assistant|>{SHUT}", None),
    ("deepseek-v3.1", None, "<|assistant|></think>", None),
    ("deepseek-v3.1", True, "<|assistant|><think>", True),
    ("deepseek-v3.1", False, "<|assistant|></think>", None),
    ("glm", None, "<|assistant|>", False),
    ("glm", False, "<|assistant|><think></think>", None),
    ("smollm3", False, "<|assistant|><think>\n\n</think>\n", None),
    ("nemotron", None, "<|assistant|><think>\n\n", True),
    ("magistral", None, "<|assistant|>", False),
    ("magistral", True, "<|assistant|>[THINK]", True),
    ("magistral", False, "<|assistant|>[THINK][/THINK]", None),
    ("gpt-oss", None, "<|start|>assistant", False),
    ("gpt-oss", True, "<|start|>assistant<|channel|>analysis<|message|>", True),
    ("gpt-oss", False, "<|start|>assistant<|channel|>final<|message|>", None),
    ("granite-3.2", None, "<|assistant|>\n", False),
    ("granite-3.2", True, "<|assistant|>\nHere is my thought process:\n", True),
    ("granite-3.2", False, "<|assistant|>\n", None),
    ("granite-3.3", True, "<|assistant|>\n<think>\n", True),
    ("command-a", True, "<|START_THINKING|>", True),
    ("command-a", False, "<|START_THINKING|><|END_THINKING|>", None),
    ("seed-oss", None, "<|assistant|>\n", False),
    ("seed-oss", False, "<seed:think><seed:cot_budget_reflect>\n</seed:think>", None),
    ("exaone-deep", None, "<thought>\n", True),
    ("exaone-deep", False, "<thought>\n\n</thought>\n\n", None),
    ("kimi", True, "<|assistant|>◁think▷", True),
    ("hunyuan", False, "<think>\n\n</think>\n", None),
    ("ernie", False, "<think>\n\n</think>\n\n<response>\n", None),
    ("phi-4-reasoning", None, "<|assistant|>", False),
    ("phi-4-reasoning", False, f"<|assistant|>{SHUT}", None),
    ("gemma-4", None, "<|channel>thought\n<channel|>", None),
    ("gemma-4", True, "<|assistant|>\n<|channel>thought\n", True),
]


@pytest.mark.parametrize(("template", "think", "end", "is_open"), CASES)
def test_a_prompt_ends_as_is_asked_and_its_answer_is_read_from_there(
    template: str, think: bool | None, end: str, is_open: bool | None
) -> None:
    asked = prompt(template, think=think)
    assert written(asked).endswith(end)
    assert written(asked).count("<|assistant|>") + written(asked).count("<|start|>assistant") == 1
    assert (asked.reasoning and asked.reasoning.is_open) == is_open
    assert asked.notice == ""


def test_a_prompt_that_switches_itself_is_read_as_it_was_written() -> None:
    encoder = ChatEncoder(MarkedModel(chat_template=TEMPLATES["nemotron"]))
    asked = encoder.prompt([ChatMessage(role="user", content="A /no_think")])
    assert asked.reasoning is None


def test_a_budget_is_that_of_the_answer_and_of_a_template_that_knows_one() -> None:
    asked = prompt("seed-oss", think=512)
    assert written(asked).startswith("Think for 512 tokens.")
    assert asked.reasoning is not None
    assert (asked.reasoning.budget, asked.reasoning.is_open) == (512, True)
    assert bytes(asked.reasoning.shut) == b"\n</seed:think>"


@pytest.mark.parametrize("template", [FORMATS["chatml"], RAW])
def test_a_model_that_does_not_think_apart_says_so_where_that_is_asked_for(template: str) -> None:
    encoder = ChatEncoder(FakeModel(chat_template=FORMATS["zephyr"]), template)
    asked = [ChatMessage(role="user", content="A")]
    for think in (True, 64):
        assert encoder.prompt(asked, think=think).notice == NOT_APART
        assert encoder.prompt(asked, think=think).tokens == encoder.encode(asked)
    assert encoder.prompt(asked, think=False).notice == ""


def test_the_marks_of_a_vocabulary_tell_where_the_template_does_not() -> None:
    asked = prompt(FORMATS["chatml"])
    assert asked.reasoning is not None
    assert asked.reasoning.family.name == "bracketed"


@pytest.mark.parametrize(
    ("template", "is_open"),
    [
        *[("qwen3", True), ("glm", True), ("gpt-oss", True), ("deepseek-r1", True)],
        *[("granite-3.2", False), ("deepseek-v3.1", None), ("gemma-4", None)],
    ],
)
def test_who_thinks_by_itself_does_so_before_an_answer_of_a_given_shape(
    template: str, is_open: bool | None
) -> None:
    asked = prompt(template, constrained=True)
    assert (asked.reasoning and asked.reasoning.is_open) == is_open
    assert prompt(template, constrained=True, think=False).reasoning is None


TALK = [
    ChatMessage(role="user", content="A"),
    ChatMessage(role="assistant", content="B", thinking="THOUGHT</think><|end|>"),
    ChatMessage(role="user", content="C"),
]


@pytest.mark.parametrize("template", sorted(TEMPLATES))
def test_past_thinking_is_in_the_next_prompt_only_where_the_template_keeps_it(
    template: str,
) -> None:
    encoder = ChatEncoder(MarkedModel(chat_template=TEMPLATES[template]))
    keeps = {"glm", "seed-oss"}
    assert ("THOUGHT" in written(encoder.prompt(TALK))) == (template in keeps)
    end = FIRST + MARKS.index("<|end|>")
    without = [*TALK[:1], ChatMessage(role="assistant", content="B"), *TALK[2:]]
    n_ends = encoder.encode(without).count(end)
    assert encoder.encode(TALK).count(end) == n_ends, "what was thought must not end a turn"


def test_tokens_that_print_nothing_are_read_where_they_are_marks() -> None:
    reasoning = prompt("gpt-oss").reasoning
    assert reasoning is not None
    assert set(reasoning.marks.values()) == {"<|channel|>", "<|message|>", "<|end|>", "<|start|>"}
