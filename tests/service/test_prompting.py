"""Long conversations, prefills and looks at prompts through a real service."""

from __future__ import annotations

from typing import Any

import pytest

from wiz_kernel_ext.client import Client
from wiz_kernel_ext.errors import BadRequest, ContextOverflow, ModelNotLoaded, SessionNotLoaded
from wiz_kernel_ext.protocol.events import Notice
from wiz_kernel_ext.protocol.options import PromptOptions
from wiz_kernel_ext.protocol.requests import Prompt

CONTEXT = 256


@pytest.fixture
def ready(shared_client: Client) -> Client:
    """The demo model in a small context."""
    shared_client.load_model("demo")
    shared_client.create_context(context_size=CONTEXT)
    return shared_client


def test_what_is_missing_is_named(client: Client) -> None:
    for look in (lambda: client.count("x"), lambda: client.show("x", messages=[])):
        with pytest.raises(ModelNotLoaded):
            look()
    with pytest.raises(SessionNotLoaded):
        client.show("x")


@pytest.mark.parametrize("policy", ["drop", "middle", "summarize"])
def test_the_session_keeps_all_of_what_the_model_no_longer_reads(
    ready: Client, policy: Any
) -> None:
    session = ready.initialize_session(session=f"long {policy}", system_prompt="Be brief.")
    asked = [f"Tell me about number {i} and its many good friends." for i in range(14)]
    answers = [ready.prompt(text, overflow=policy, max_tokens=8) for text in asked]
    left_out = [answer.left_out for answer in answers]
    assert left_out[0] is None
    last = left_out[-1]
    assert last is not None
    assert last.policy == policy
    assert 0 not in last.messages
    kept = ready.session(session).messages
    assert [m.content for m in kept] == [
        t for both in zip(asked, answers, strict=True) for t in both
    ]
    # It is said with what is kept of the answer, too.
    again = ready.attach(answers[-1].operation_id)
    assert any(isinstance(e, Notice) and "left out" in e.text for b in again.batches() for e in b)
    assert again.result().left_out == last


def test_to_refuse_is_the_default_and_names_what_else_there_is(ready: Client) -> None:
    with pytest.raises(ContextOverflow) as caught:
        ready.prompt("word " * 400, messages=[])
    assert "overflow='drop'" in (caught.value.hint or "")


def test_a_session_keeps_an_answer_with_its_prefill_and_a_cancelled_one_too(
    ready: Client,
) -> None:
    session = ready.initialize_session(session="begun")
    answer = ready.prompt("What is my name?", prefill="Well, ", max_tokens=4)
    assert answer.startswith("Well, ")
    assert ready.session(session).messages[-1].content == answer
    operation = ready.send_prompt("Go on.", prefill="So", max_tokens=200, logit_bias={"z": 99.0})
    assert next(iter(operation)).text == "So"
    operation.cancel()
    partial = operation.result()
    assert partial.startswith("So")
    assert ready.session(session).messages[-1].content == partial


def test_looks_answer_while_the_sessions_prompt_is_answered(ready: Client) -> None:
    ready.initialize_session(session="busy")
    operation = ready.send_prompt("x", max_tokens=200, logit_bias={"z": 99.0}, allow_repeats=True)
    next(iter(operation))
    shown = ready.show("What next?")
    assert "What next?" in shown.text
    assert shown.context_size == CONTEXT
    assert ready.count(shown.text) > 0
    assert ready.count([{"role": "user", "content": "What next?"}]) == shown.n_tokens
    operation.cancel()
    operation.result()


def test_a_look_needs_no_name_where_one_model_is_loaded(ready: Client) -> None:
    other = Client()
    assert other.count("hello") == ready.count("hello")
    assert other.count("hello", model_path="demo") == ready.count("hello")
    other.close()


def test_what_a_request_says_of_a_prompt_reaches_the_model(ready: Client) -> None:
    with pytest.raises(BadRequest, match="fill-in-the-middle"):
        ready.prompt("def f(", messages=[], suffix="return")
    raw = ready.show("Once", messages=[], chat_template="raw", prefill=" upon")
    assert raw.text + raw.begun == "Once upon"
    request = Prompt(
        prompt="Once",
        messages=[],
        chat_template="raw",
        prefill=" upon",
        options=PromptOptions(max_tokens=3),
    )
    assert ready.request(request).usage.n_prompt_tokens == raw.n_tokens
