"""Adapters in-process: for one prompt, as a session's own, and by names from here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.lora_gguf import Lora, write_lora
from wiz_kernel_ext.errors import BadRequest, ModelFileNotFound, ModelLoadFailed
from wiz_kernel_ext.protocol.answer import Answer
from wiz_kernel_ext.protocol.requests import InitializeSession, Prompt
from wiz_kernel_ext.worker.llama_worker import LlamaWorker

QUESTION = "what is it that is asked"
NO_END = {"<|im_end|>": -1000.0, "<|endoftext|>": -1000.0}


@pytest.fixture
def style(tmp_path: Path, tiny_gguf: Path) -> Path:
    return write_lora(tmp_path / "style.gguf", tiny_gguf, Lora(strength=0.5))


async def ask(worker: LlamaWorker, **options: object) -> Answer:
    """The answer to a question nothing was said before."""
    return await worker.prompt(
        QUESTION, temperature=0, max_tokens=16, logit_bias=NO_END, messages=[], **options
    )


async def test_an_adapter_for_one_prompt(
    ready: LlamaWorker, style: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, styled = await ask(ready), await ask(ready, adapters=[style])
    assert styled != plain
    monkeypatch.chdir(style.parent)
    assert await ask(ready, adapters=["style"]) == styled
    assert await ask(ready, adapters=["style.gguf=0.5"]) not in (plain, styled)
    assert await ask(ready, adapters=["style.gguf=0.5", f"{style}=0.5"]) == styled
    assert await ask(ready) == plain


async def test_a_session_of_its_own(ready: LlamaWorker, style: Path) -> None:
    expected, plain = await ask(ready, adapters=[style]), await ask(ready)
    options = {"temperature": 0, "max_tokens": 16, "logit_bias": NO_END}
    for adapters, right in (([style], expected), (None, expected), ([], plain)):
        await ready.initialize_session(session="one", adapters=adapters)
        assert await ready.prompt(QUESTION, **options) == right
        ready._sessions["one"].messages.clear()
    await ready.initialize_session(session="one", adapters=[style])
    assert await ready.prompt(QUESTION, adapters=[], **options) == plain


async def test_what_cannot_be_used_is_refused_and_the_worker_goes_on(
    ready: LlamaWorker, style: Path, tiny_gguf: Path
) -> None:
    for adapters, error in (
        ([tiny_gguf], ModelLoadFailed),
        (["nowhere.gguf"], ModelFileNotFound),
        (["=0.5"], BadRequest),
    ):
        with pytest.raises(error):
            await ask(ready, adapters=adapters)
        with pytest.raises(error):
            await ask(ready, adapters=[style, *adapters])
    with pytest.raises(ModelFileNotFound):
        await ready.initialize_session(session="new", adapters=["nowhere.gguf"])
    assert "new" not in ready._sessions
    assert await ask(ready, adapters=[style])


async def test_an_engine_in_another_process_is_told_where_the_files_are(
    style: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await LlamaWorker.create()
    monkeypatch.chdir(style.parent)
    for request in (
        Prompt(prompt="x", adapters=["style=0.5"]),
        InitializeSession(adapters=["style.gguf=.5"]),
    ):
        told = worker._here(request)
        assert isinstance(told, Prompt | InitializeSession)
        assert told.adapters == [f"{style}=0.5"]
    await worker.close()
