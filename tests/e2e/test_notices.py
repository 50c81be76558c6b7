"""What a load has to say is read in the cell, on the terminal and in the panels, by all who load.

One real service; a model without a chat template, trained on fewer tokens than are asked for.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.notebook.kernels import FrontEnd
from tests.support.homes import Home
from tests.support.tiny_gguf import Shape, write_tiny_gguf
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.notebook.widgets.answer_stream import AnswerStream
from wiz_kernel_ext.notebook.widgets.loading import begin_load

NO_TEMPLATE, CPU_ONLY, TOO_LONG = "no chat template", "CPU only", "trained on 2048 tokens"
LOAD = "--ctx 4096 --gpu-layers 5"


@pytest.fixture(scope="module")
def here() -> Iterator[Home]:
    """A service's home with the model in its models directory."""
    home = Home.make()
    home.places.models_dir.mkdir(parents=True)
    write_tiny_gguf(home.places.models_dir / "plain.gguf", Shape(chat_template=None))
    yield home
    home.close()


@pytest.fixture
def client(here: Home) -> Iterator[Client]:
    """A client; what was loaded before is not."""
    client = Client(here.settings)
    for worker in client.status().workers:
        client.unload_model(worker.model_path, force=True)
    yield client
    client.close()


@pytest.fixture(scope="module")
def kernel(here: Home) -> Iterator[FrontEnd]:
    """A notebook's kernel."""
    kernel = FrontEnd(here, "/work/notices.ipynb")
    kernel.must("%load_ext wiz_kernel_ext")
    yield kernel
    kernel.close()


def wiz(here: Home, *arguments: str) -> str:
    """What a command says on standard error."""
    ran = subprocess.run(
        [sys.executable, "-m", "wiz_kernel_ext", *arguments],
        env={**os.environ, **here.environment}, capture_output=True, text=True, timeout=60,
        check=True,
    )  # fmt: skip
    return ran.stderr


def test_a_cell_says_all_of_them_when_it_loads_and_when_it_shares(
    client: Client, kernel: FrontEnd
) -> None:
    for _ in ("loaded", "shared"):
        text = kernel.must(f"%wiz_load plain.gguf {LOAD}").text
        for notice in (NO_TEMPLATE, CPU_ONLY, TOO_LONG):
            assert text.count(notice) == 1, text
        assert "%wiz_load MODEL --chat-template" in text
    client.unload_model(force=True, model_path=client.status().workers[0].model_path)
    assert NO_TEMPLATE in kernel.must("%wiz_prompt abc --max-tokens 2").text


def test_a_terminal_says_all_of_them_when_it_loads_and_when_it_shares(
    client: Client, here: Home
) -> None:
    for _ in ("loaded", "shared"):
        errors = wiz(here, "load", "plain.gguf", *LOAD.split())
        for notice in (NO_TEMPLATE, CPU_ONLY, TOO_LONG):
            assert errors.count(notice) == 1, errors
        assert "jupyter wiz load MODEL --chat-template" in errors
    assert NO_TEMPLATE in wiz(here, "prompt", "--model", "plain.gguf", "--max-tokens", "2", "abc")


@pytest.mark.parametrize("before", ["loaded by nobody", "loaded by a cell"])
def test_the_panels_say_them(client: Client, kernel: FrontEnd, before: str) -> None:
    if before == "loaded by a cell":
        kernel.must("%wiz_load plain.gguf --ctx 4096")
    shown: list[dict[str, Any]] = []
    begin_load(client, "plain.gguf", shown.append, 4096)
    deadline = time.monotonic() + 30
    while not shown or shown[-1]["state"] == "running":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert shown[-1]["problem"] is None
    notices = " ".join(shown[-1]["notices"])
    assert NO_TEMPLATE in notices
    assert TOO_LONG in notices


def test_a_prompt_that_loads_says_them_in_the_chat_panel_and_on_a_terminal(
    client: Client, here: Home
) -> None:
    path = str(here.places.models_dir / "plain.gguf")
    operation = client.send_prompt("abc", messages=[], model_path=path, autoload=True, max_tokens=2)
    stream = AnswerStream(operation.id, "abc")
    for events in operation.batches():
        stream.take(events)
    stream.end(operation)
    assert NO_TEMPLATE in stream.small
    client.unload_model(path, force=True)
    session = client.open_session("terminal")
    client.prompt("abc", session=session.id, model_path=path, autoload=True, max_tokens=1)
    client.unload_model(path, force=True)
    assert NO_TEMPLATE in wiz(here, "prompt", "--session", "terminal", "--max-tokens", "2", "abc")
