"""Answers of a given shape, several, and the same: through the service, as users ask for them."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from tests.support.homes import Home
from wiz_kernel_ext import AsyncClient, Client
from wiz_kernel_ext.errors import AnswerIncomplete, ConstraintRefused
from wiz_kernel_ext.protocol.events import Delta

QUESTION = "What is the capital of Portugal?"


@dataclass
class Capital:
    city: str
    country: Literal["Portugal", "Spain"]


@pytest.fixture
def client(shared_client: Client) -> Client:
    shared_client.load("demo")
    return shared_client


def test_an_answer_is_a_value_of_the_type_that_was_asked_for(client: Client) -> None:
    answer = client.prompt(QUESTION, schema=Capital, temperature=0)
    assert isinstance(answer.value, Capital)
    assert json.loads(answer) == {"city": answer.value.city, "country": answer.value.country}
    assert answer.usage.n_forced_tokens > 0


def test_an_operation_ends_in_such_a_value_too(client: Client) -> None:
    operation = client.send_prompt(QUESTION, schema=Capital)
    streamed = "".join(delta.text for delta in operation)
    answer = operation.result()
    assert streamed == answer
    assert isinstance(answer.value, Capital)
    assert client.attach(operation.id).result().value == json.loads(answer)


async def test_the_async_client_gives_the_same(client: Client) -> None:
    asker = AsyncClient()
    try:
        await asker.load("demo")
        asked = [asker.prompt(QUESTION, schema=Capital, temperature=0) for _ in range(2)]
        asked += [asker.prompt(QUESTION, choices=["Lisbon", "Madrid"], messages=[])]
        *both, third = await asyncio.gather(*asked)
        assert all(isinstance(one.value, Capital) for one in both)
        assert third.value in {"Lisbon", "Madrid"}
    finally:
        await asker.close()


def test_an_answer_cut_by_its_limit_has_no_value(client: Client) -> None:
    answer = client.prompt(QUESTION, schema=Capital, max_tokens=3)
    assert (answer.incomplete, answer.finish_reason) == (True, "length")
    with pytest.raises(AnswerIncomplete, match="length"):
        _ = answer.value


def test_what_cannot_be_enforced_is_refused_before_a_token_and_leaves_no_turn(
    client: Client,
) -> None:
    session = client.open_session("refusals").id
    operation = client.send_prompt(QUESTION, schema={"not": {}}, session=session)
    assert not [event for event in operation.events() if isinstance(event, Delta)]
    with pytest.raises(ConstraintRefused, match="`not`") as caught:
        operation.result()
    assert caught.value.details["keywords"] == ["not"]
    assert client.session(session).messages == []
    assert client.prompt(QUESTION, session=session)


def test_two_shapes_at_once_are_refused(client: Client) -> None:
    with pytest.raises(ValueError, match="exclude each other"):
        client.prompt(QUESTION, schema=Capital, regex="a")


def test_several_answers_come_of_one_reading(client: Client) -> None:
    answer = client.prompt("Tell me a story.", n=3, best=True, seed=1, max_tokens=8, messages=[])
    assert len(answer.alternatives) == 3
    assert [one.seed for one in answer.alternatives] == [1, 2, 3]
    likely = max(answer.alternatives, key=lambda one: one.logprob or float("-inf"))
    assert answer == likely.text
    again = client.prompt("Tell me a story.", seed=2, max_tokens=8, messages=[])
    assert again == answer.alternatives[1].text


def test_likelihoods_and_reproducible_text_pass_through_the_service(client: Client) -> None:
    asked = {"seed": 3, "reproducible": True, "logprobs": 1, "max_tokens": 8, "messages": []}
    first, second = (client.prompt(QUESTION, **asked) for _ in range(2))
    assert first.logprobs == second.logprobs
    assert first.logprobs is not None
    assert "".join(one.text for one in first.logprobs) == first


def terminal(home: Home, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "wiz_kernel_ext", "prompt", *arguments],
        env=home.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_terminal_takes_the_same(shared_home: Home, client: Client, tmp_path: Path) -> None:
    file = tmp_path / "schema.json"
    file.write_text('{"type": "object", "properties": {"n": {"type": "integer"}}}')
    said = terminal(shared_home, QUESTION, "--schema", str(file), "--model", "demo")
    assert said.returncode == 0, said.stderr
    assert isinstance(json.loads(said.stdout), dict)
    said = terminal(shared_home, QUESTION, "--choice", "yes", "--choice", "no", "--model", "demo")
    assert said.stdout.strip() in {"yes", "no"}
    said = terminal(shared_home, QUESTION, "--schema", str(tmp_path / "none.json"))
    assert said.returncode == 2
    assert "a JSON schema, or a file with one" in said.stderr
    said = terminal(shared_home, QUESTION, "--regex", "(?=a)", "--model", "demo")
    assert said.returncode == 1
    assert "look-around" in said.stderr
