"""`Client()` in a cell speaks in the notebook's conversation, to the notebook's model.

And what to do where nothing is loaded is said in the words of the place.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.notebook.kernels import FrontEnd
from tests.support.homes import Home
from wiz_kernel_ext.client import AsyncClient, Client
from wiz_kernel_ext.errors import ModelNotLoaded, SessionNotLoaded
from wiz_kernel_ext.own_session import speak_in

USE = "from wiz_kernel_ext import AsyncClient, Client\n"


@pytest.fixture
def kernel(home: Home) -> Iterator[FrontEnd]:
    kernel = FrontEnd(home, "/work/talk.ipynb")
    kernel.must("%load_ext wiz_kernel_ext")
    yield kernel
    kernel.close()


def asked(client: Client, session: str) -> list[str]:
    """What was asked in a conversation."""
    return [one.content for one in client.session(session).messages if one.role == "user"]


def test_it_finds_what_the_magics_loaded_and_said(kernel: FrontEnd, client: Client) -> None:
    kernel.must("%wiz_load demo")
    kernel.must("%wiz_prompt My name is Ana.")
    page = kernel.must(f"{USE}print(Client().prompt('What is my name?', temperature=0))")
    assert "Ana" in page.text
    kernel.must("print(Client().send_prompt('Hello').result())")
    page = kernel.must("print(await AsyncClient().prompt('What is my name?', temperature=0))")
    assert "Ana" in page.text
    page = kernel.must(
        "operation = await AsyncClient().send_prompt('Bye'); await operation.result()"
    )
    kernel.must("%wiz_prompt Thanks.")
    assert asked(client, "talk") == [
        "My name is Ana.", "What is my name?", "Hello", "What is my name?", "Bye", "Thanks."
    ]  # fmt: skip


def test_a_conversation_that_is_named_finds_the_model_too(kernel: FrontEnd, client: Client) -> None:
    kernel.must("%wiz_load demo")
    kernel.must(f"{USE}client = Client(); client.open_session('other')")
    kernel.must("client.prompt('Hello', session='other')")
    kernel.must("client.prompt('Just so', messages=[])")
    assert asked(client, "other") == ["Hello"]
    assert asked(client, "talk") == []


def test_the_conversation_that_is_configured_is_the_notebooks(
    kernel: FrontEnd, client: Client
) -> None:
    kernel.must("%config WizMagics.session = 'chosen'")
    kernel.must("%wiz_load demo")
    kernel.must(f"{USE}Client().prompt('Hello')")
    assert asked(client, "chosen") == ["Hello"]


def test_who_climbed_himself_speaks_in_his_own(kernel: FrontEnd, client: Client) -> None:
    kernel.must("%wiz_load demo")
    kernel.must(f"{USE}client = Client(); loaded = client.load('demo', session='mine')")
    kernel.must("client.prompt('Hello')")
    assert asked(client, "mine") == ["Hello"]
    assert asked(client, "talk") == []


def test_where_nothing_is_loaded_a_cell_is_told_in_its_words(kernel: FrontEnd) -> None:
    page = kernel.page(f"{USE}Client().prompt('Hello')")
    assert page.error[-2:] == [
        "ModelNotLoaded: Model not loaded.",
        "→ Load one first: %wiz_load demo.",
    ]


def test_a_program_is_strict_and_told_in_its_words(client: Client) -> None:
    client.load("demo", session="talk")
    other = Client()
    try:
        with pytest.raises(SessionNotLoaded) as no_session:
            other.prompt("Hello")
        with pytest.raises(ModelNotLoaded) as no_model:
            other.prompt("Hello", session=other.open_session("new").id)
    finally:
        other.close()
    assert no_session.value.hint.endswith("client.load('demo').")
    assert no_model.value.hint == "Load one first: client.load('demo')."


def test_without_a_word_of_the_place_the_fault_is_there_again(home: Home, client: Client) -> None:
    """The twin: the same calls, in a process that says of no notebook that it is in it."""
    client.load("demo", session="talk")
    program = f"{USE}Client().prompt('Hello')"
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **home.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "SessionNotLoaded" in ran.stderr


def test_what_the_place_says_is_asked_only_where_something_is_missing(client: Client) -> None:
    client.load("demo", session="talk")
    n_asked = 0

    def fields() -> dict[str, object]:
        nonlocal n_asked
        n_asked += 1
        return {"session": "own"}

    speak_in(fields)
    try:
        client.prompt("Hello")
        assert n_asked == 0

        async def elsewhere() -> str:
            other = AsyncClient()
            try:
                return (await other.prompt("Hello")).session
            finally:
                await other.close()

        assert asyncio.run(elsewhere()) == "own"
        assert n_asked == 1
    finally:
        speak_in(None)
