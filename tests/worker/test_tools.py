"""Tools and constraints together, on the demo model: each answer is one or the other, and valid."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import is_valid

from wiz_kernel_ext.errors import BadRequest, ConstraintRefused
from wiz_kernel_ext.protocol.answer import Answer
from wiz_kernel_ext.protocol.messages import ChatMessage
from wiz_kernel_ext.protocol.results import ToolCall
from wiz_kernel_ext.worker.llama_worker import LlamaWorker

CITY = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 20}},
    "required": ["city"],
}
SUM = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
    "required": ["a", "b"],
}
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 20}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "Get the current weather",
            "parameters": CITY,
        },
    },
    {
        "type": "function",
        "function": {"name": "add", "description": "Add two numbers", "parameters": SUM},
    },
]
SCHEMAS = {"get_weather": CITY, "add": SUM}
SEEDS = [None, *range(30)]
ASKED = ["What is the weather in Paris?", "What is 17 plus 5?"]


@pytest.fixture
async def demo() -> AsyncIterator[LlamaWorker]:
    made = await LlamaWorker.create()
    await made.load_model("demo")
    await made.create_context(context_size=1024)
    yield made
    await made.close()


async def ask(worker: LlamaWorker, text: str, seed: int | None = None, **asked: Any) -> Answer:
    """Greedy without a seed, hot with one."""
    drawn = {"temperature": 0} if seed is None else {"temperature": 1.5, "seed": seed}
    asked = {"messages": [], "tools": TOOLS, "max_tokens": 400, **drawn, **asked}
    answer: Answer = await worker.prompt(text, **asked)
    return answer


@pytest.mark.parametrize("text", ASKED)
async def test_calls_are_valid_greedy_and_hot(demo: LlamaWorker, text: str) -> None:
    n_calls = 0
    for seed in SEEDS:
        answer = await ask(demo, text, seed)
        assert answer.shape == ("tools" if answer.tool_calls else "free")
        assert bool(answer.tool_calls) is ("<tool_call>" in answer)
        for call in answer.tool_calls:
            assert is_valid(SCHEMAS[call.name], call.arguments)
        n_calls += bool(answer.tool_calls)
    assert n_calls > len(SEEDS) // 2


async def test_the_model_calls_what_it_was_taught_to(demo: LlamaWorker) -> None:
    answer = await ask(demo, ASKED[1])
    assert answer.tool_calls == [ToolCall(name="add", text='{"a": 17, "b": 5}')]
    assert answer.value == answer.tool_calls
    assert answer.usage.n_forced_tokens > 0


async def test_with_a_schema_each_answer_is_a_call_or_json_of_it(demo: LlamaWorker) -> None:
    shapes = set()
    for text in [ASKED[1], "Return a JSON object with name and age."]:
        for seed in SEEDS:
            answer = await ask(demo, text, seed, schema=PERSON)
            assert not answer.incomplete
            shapes.add(answer.shape)
            if answer.shape == "tools":
                assert all(is_valid(SCHEMAS[c.name], c.arguments) for c in answer.tool_calls)
            else:
                assert is_valid(PERSON, json.loads(answer))
                assert answer.tool_calls == []
    assert shapes == {"tools", "json"}


async def test_a_call_and_its_result_are_read_again(demo: LlamaWorker) -> None:
    asked = ChatMessage(role="user", content=ASKED[1])
    call = await ask(demo, asked.content)
    said = ChatMessage(role="assistant", content=str(call))
    answer = await ask(demo, "22", role="tool", messages=[asked, said])
    assert "22" in answer
    assert answer.tool_calls == []
    assert answer.usage.n_cached_tokens >= call.usage.n_prompt_tokens


async def test_several_answers_have_their_own_calls(demo: LlamaWorker) -> None:
    answer = await ask(demo, ASKED[1], 3, n=3)
    assert [bool(one.tool_calls) for one in answer.alternatives] == [
        "<tool_call>" in one.text for one in answer.alternatives
    ]
    assert any(one.tool_calls for one in answer.alternatives)


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"type": "object", "properties": {"a": {"not": {}}}}, ConstraintRefused),
        ({"type": "string"}, BadRequest),
    ],
)
async def test_what_cannot_be_enforced_is_refused_before_the_first_token(
    demo: LlamaWorker, parameters: dict[str, Any], error: type[BadRequest]
) -> None:
    with pytest.raises(error) as caught:
        await ask(demo, "hi", tools=[{"name": "odd", "parameters": parameters}])
    assert "tools" in caught.value.details["field"]


async def test_a_template_that_knows_no_tools_gets_the_plain_form(
    worker: LlamaWorker, tiny_gguf: Path
) -> None:
    await worker.load_model(str(tiny_gguf), chat_template="{{ messages[-1].content }}")
    await worker.create_context(context_size=512)
    answer = await ask(worker, "hi", 1, choices=["yes"])
    assert answer.shape in ("text", "tools")
    for seed in range(10):
        answer = await ask(worker, "hi", seed, regex="[0-9]{1,5}")
        if answer.incomplete:
            continue
        if answer.shape == "tools":
            (call,) = answer.tool_calls
            assert is_valid(SCHEMAS[call.name], call.arguments)
        else:
            assert answer.isdigit()
