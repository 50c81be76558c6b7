"""Thinking from the model to its asker and back into the conversation, through a real service.

The demo model does not think: a template that opens the thinking has what it says taken for that,
until the budget closes it.
"""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from wiz_kernel_ext.client import Client
from wiz_kernel_ext.engine.reasoning.prompt import NOT_APART
from wiz_kernel_ext.protocol.answer import Answer
from wiz_kernel_ext.protocol.events import Delta, Notice, Thinking
from wiz_kernel_ext.protocol.options import PromptOptions
from wiz_kernel_ext.worker.llama_worker import LlamaWorker

TURNS = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{% if m.role == 'assistant' and SEEN %}<think>{{ m.reasoning_content }}</think>{% endif %}"
    "{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
)
DROPS, KEEPS = TURNS.replace("SEEN", "false"), TURNS.replace("SEEN", "true")
STORY = "Tell me a story about a dog."
BIAS = {"<|im_end|>": -1000.0, "<|endoftext|>": -1000.0}
NO_END = [word for text, bias in BIAS.items() for word in ("--logit-bias", f"{text}={bias}")]
SHORT: dict[str, Any] = {
    "temperature": 0.0,
    "max_tokens": 40,
    "allow_repeats": True,
    "logit_bias": BIAS,
}


@pytest.fixture
def ready(shared_client: Client) -> Client:
    """A client of a service with the demo model, in a conversation of its own."""
    shared_client.load("demo", context_size=512)
    return shared_client


def test_thinking_comes_as_such_until_its_budget_closes_it_and_then_the_answer(
    ready: Client,
) -> None:
    operation = ready.send_prompt(STORY, chat_template=DROPS, think=8, **SHORT)
    events = list(operation.events())
    answer = operation.result()
    assert isinstance(answer, Answer)
    kinds = [type(event) for event in events if isinstance(event, Thinking | Delta)]
    assert kinds[0] is Thinking and kinds[-1] is Delta
    assert Thinking not in kinds[kinds.index(Delta) :]
    thought = "".join(event.text for event in events if isinstance(event, Thinking))
    assert answer.thinking == thought != ""
    assert answer == "".join(event.text for event in events if isinstance(event, Delta)) != ""
    assert "think>" not in answer + answer.thinking
    assert answer.usage.n_thinking_tokens == 8
    assert answer.usage.n_tokens == 40, "the limit is of both together, and of what was forced"
    assert answer.usage.n_forced_tokens > 0


def test_a_session_keeps_the_thinking_apart_and_its_template_says_what_comes_of_it(
    ready: Client,
) -> None:
    asked = {"think": 8, **SHORT}
    first = ready.prompt(STORY, chat_template=DROPS, **asked)
    kept = ready.session(first.session).messages[-1]
    assert (kept.content, kept.thinking) == (str(first), first.thinking)
    n_dropped = ready.prompt("Go on.", chat_template=DROPS, **asked).usage.n_prompt_tokens
    ready.drop_last_turn(first.session)
    n_kept = ready.prompt("Go on.", chat_template=KEEPS, **asked).usage.n_prompt_tokens
    assert n_kept >= n_dropped + 8, "the thinking, and its marks"


def test_off_answers_at_once_and_who_cannot_think_apart_says_so(ready: Client) -> None:
    off = ready.prompt(STORY, chat_template=DROPS, think=False, **SHORT)
    assert off.thinking == "" and off
    operation = ready.send_prompt(STORY, think=True, **SHORT)
    notices = [event.text for event in operation.events() if isinstance(event, Notice)]
    assert notices == [NOT_APART]
    assert operation.result().thinking == ""


def test_an_answer_of_a_given_shape_begins_behind_the_thinking(ready: Client) -> None:
    shape = {"choices": ["yes", "no"], "chat_template": DROPS, **SHORT}
    for think in (8, None):
        answer = ready.prompt(STORY, **shape, **({"think": think} if think else {}))
        if think is None and not answer:
            assert answer.thinking and answer.incomplete, "it never closed its thinking"
        else:
            assert answer in ("yes", "no") and answer.thinking
            assert not answer.incomplete
    off = ready.prompt(STORY, think=False, **shape)
    assert off in ("yes", "no") and not off.thinking


def test_a_command_writes_the_answer_out_and_the_thinking_to_standard_error(ready: Client) -> None:
    said = ready.prompt(STORY, messages=[], chat_template=DROPS, think=8, **SHORT)
    line = ["prompt", STORY, "--chat-template", DROPS, "--think", "8", "--temperature", "0"]
    line += ["--max-tokens", "40", "--allow-repeats", *NO_END]
    ran = subprocess.run(
        [sys.executable, "-m", "wiz_kernel_ext", *line],
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
        check=True,
    )
    assert ran.stdout == f"{said}\n"
    assert f"{said.thinking}\n" in ran.stderr


async def test_a_worker_in_this_process_does_the_same() -> None:
    worker = await LlamaWorker.create()
    try:
        await worker.load_model("demo")
        await worker.create_context(context_size=512)
        await worker.initialize_session()
        options = PromptOptions(think=8, **SHORT).given()
        first = await worker.prompt(STORY, chat_template=DROPS, **options)
        assert first.thinking and first
        dropped = await worker.prompt("Go on.", chat_template=DROPS, **options)
        (session,) = worker._sessions.values()
        assert [message.thinking for message in session.messages[1::2]] == [
            first.thinking,
            dropped.thinking,
        ]
    finally:
        await worker.close()
