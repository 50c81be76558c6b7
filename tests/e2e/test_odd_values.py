"""Odd texts and natural Python values, on every face: the service's client, a cell, a terminal."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.homes import Home
from tests.support.kernels import Kernel
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.demo import model_path
from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.protocol.requests import GetSession, Prompt, RenameSession

HALF = "ab\ud83dcd"


@pytest.fixture
def talking(client: Client) -> Iterator[Client]:
    client.load("demo", context_size=512, session="mine")
    yield client
    # Nothing of it harmed the service, and it logged no traceback.
    assert client.prompt("Hello", temperature=0, session="mine")


def test_text_that_cannot_be_encoded_says_where(talking: Client, home: Home) -> None:
    client = talking
    asks: list[tuple[Any, str]] = [
        (lambda: client.prompt(HALF), "prompt"),
        (lambda: client.prompt("x", stop=[HALF]), "stop"),
        (lambda: client.prompt("x", tools=[{"name": HALF}]), "tools"),
        (lambda: client.prompt("x", messages=[{"role": "user", "content": HALF}]), "messages"),
        (lambda: client.initialize_session(system_prompt=HALF), "system_prompt"),
        (lambda: client.open_session(HALF), "session"),
        (lambda: client.session(HALF), "session"),
        (lambda: client.request(GetSession(session=HALF)), "session"),
        (lambda: client.request(RenameSession(session="mine", name=HALF)), "name"),
        (lambda: client.start(Prompt(prompt=HALF)), "prompt"),
        (lambda: client.load_model(f"/tmp/{HALF}.gguf"), "model_path"),
        (lambda: client.load_model(Path(os.fsdecode(b"/tmp/\xff.gguf"))), "model_path"),
        (lambda: client.set_alias("a", HALF), "model"),
        (lambda: client.pull(HALF), "model"),
        (lambda: client.search(HALF), "text"),
        (lambda: client.invoke("worker:prompt", {"prompt": HALF}), "prompt"),
    ]
    for ask, field in asks:
        with pytest.raises(BadRequest, match="cannot be encoded: its character") as caught:
            ask()
        assert caught.value.details["field"].startswith(field)
    assert "Traceback" not in home.log()


def test_bytes_are_not_sent_in_silence(talking: Client) -> None:
    client: Any = talking
    asks: list[Callable[[], object]] = [
        lambda: client.prompt(b"Hello"),
        lambda: client.load_model(b"/tmp/x.gguf"),
        lambda: client.invoke("worker:prompt", {"prompt": b"Hello"}),
        lambda: client.set_alias("a", b"demo"),
    ]
    for ask in asks:
        with pytest.raises(BadRequest, match="is bytes") as caught:
            ask()
        assert "decode" in caught.value.hint


def test_paths_and_numpys_numbers_are_taken(home: Home, client: Client) -> None:
    file = home.folder / "mine.gguf"
    file.write_bytes(model_path().read_bytes())
    assert client.load_model(file).model_path == str(file)
    loaded = client.load(file, context_size=np.int64(512), sequences=np.float64(2))
    assert (loaded.context.context_size, loaded.context.sequences) == (512, 2)
    answer = client.prompt("Hello", max_tokens=np.int32(3), temperature=np.float32(0))
    assert answer.usage.n_tokens == 3
    assert client.prompt(answer, max_tokens=1, seed=None)
    assert client.inspect(file).architecture == "llama"
    client.set_alias("small", file)
    assert client.unload_model(file).model_path == str(file)
    assert client.remove_model(file, only_ask=True).files == [str(file)]


async def test_the_worker_in_this_process_takes_and_refuses_the_same(home: Home) -> None:
    from wiz_kernel_ext.worker.llama_worker import LlamaWorker

    worker = await LlamaWorker.create()
    try:
        await worker.load_model(model_path())
        await worker.create_context(context_size=np.int64(256))
        await worker.initialize_session()
        assert await worker.prompt("Hello", max_tokens=np.int8(2))
        for ask in (
            worker.prompt(HALF),
            worker.prompt("x", tools=[{"name": HALF}]),
            worker.initialize_session(system_prompt=HALF),
            worker.request(Prompt(prompt=HALF)),
            worker.start(Prompt(prompt=HALF)),
        ):
            with pytest.raises(BadRequest, match="cannot be encoded"):
                await ask
        odd: Any = b"Hello"
        with pytest.raises(BadRequest, match="is bytes"):
            await worker.prompt(odd)
    finally:
        await worker.close()
    await asyncio.sleep(0)


def test_a_cell_with_half_a_character_says_where(home: Home) -> None:
    kernel = Kernel(home.environment)
    try:
        kernel.run("%load_ext wiz_kernel_ext")
        kernel.run("%wiz_load demo")
        for code in (
            "get_ipython().run_cell_magic('wiz_prompt', '', 'Hi \\ud83d there')",
            "get_ipython().run_line_magic('wiz_prompt', 'Hi \\ud83d there')",
            "get_ipython().run_line_magic('wiz_load', 'a\\ud83d.gguf')",
            "get_ipython().run_line_magic('wiz_prompt', '--session a\\ud83d Hi')",
        ):
            cell = kernel.run(code)
            assert (cell.status, cell.error_name) == ("error", "BadRequest"), code
            assert "UnicodeEncodeError" not in "".join(cell.traceback), code
    finally:
        kernel.close()


@pytest.mark.parametrize("command", [["prompt"], ["inspect"], ["rm", "--yes"], ["search"]])
def test_a_terminals_argument_that_is_no_utf8_says_where(home: Home, command: list[str]) -> None:
    found = subprocess.run(
        [sys.executable, "-m", "wiz_kernel_ext", *command, b"caf\xe9"],
        capture_output=True,
        env={**os.environ, **home.environment},
        check=False,
    )
    assert found.returncode in (1, 2), found
    assert b"its character 4 of 4 (U+DCE9)" in found.stderr
    assert b"Traceback" not in found.stderr
