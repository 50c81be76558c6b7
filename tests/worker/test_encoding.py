"""Prompts are encoded beside the engine: a long one holds nobody up, and keeps its model."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from wiz_kernel_ext.engine.chat.encoder import ChatEncoder, ChatPrompt
from wiz_kernel_ext.errors import ModelNotLoaded
from wiz_kernel_ext.protocol.options import PromptOptions
from wiz_kernel_ext.protocol.requests import Prompt
from wiz_kernel_ext.worker.call import Call
from wiz_kernel_ext.worker.encoding import Readers
from wiz_kernel_ext.worker.llama_worker import LlamaWorker

SHORT = PromptOptions(max_tokens=3)


class Slow:
    """An encoder that takes as long as the test wants for a prompt of "slow"."""

    def __init__(self) -> None:
        self.began, self.go_on = threading.Event(), threading.Event()

    def prompt(self, encoder: ChatEncoder, messages: Any, *parts: Any, **more: Any) -> ChatPrompt:
        if messages[-1].content == "slow":
            self.began.set()
            assert self.go_on.wait(30)
        return _prompt(encoder, messages, *parts, **more)


_prompt = ChatEncoder.prompt


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    slow = Slow()
    monkeypatch.setattr(
        ChatEncoder,
        "prompt",
        lambda self, messages, *parts, **more: slow.prompt(self, messages, *parts, **more),
    )
    yield slow
    slow.go_on.set()


def asked(worker: LlamaWorker, text: str, call: Call | None = None) -> asyncio.Task[Any]:
    request = Prompt(prompt=text, messages=[], options=SHORT)
    return asyncio.create_task(worker.handle(request, call or Call()))


async def test_a_prompt_that_takes_long_to_encode_holds_up_nobody(
    ready: LlamaWorker, slow: Slow
) -> None:
    long = asked(ready, "slow")
    await asyncio.to_thread(slow.began.wait, 30)
    for _ in range(3):
        answer = await asyncio.wait_for(asked(ready, "quick"), 30)
        assert answer.usage.n_tokens == 3
    assert not long.done()
    slow.go_on.set()
    assert (await asyncio.wait_for(long, 30)).usage.n_tokens == 3


async def test_a_cancel_while_it_is_encoded_ends_it_at_once(ready: LlamaWorker, slow: Slow) -> None:
    call = Call()
    long = asked(ready, "slow", call)
    await asyncio.to_thread(slow.began.wait, 30)
    call.cancel()
    assert (await asyncio.wait_for(long, 30)).finish_reason == "cancelled"
    assert not slow.go_on.is_set()
    assert (await asked(ready, "quick")).usage.n_tokens == 3


async def test_a_model_stays_until_nobody_reads_it(ready: LlamaWorker, slow: Slow) -> None:
    long = asked(ready, "slow")
    await asyncio.to_thread(slow.began.wait, 30)
    unload = asyncio.create_task(ready.unload_model(force=True))
    await asyncio.sleep(0.2)
    assert not unload.done()
    slow.go_on.set()
    await asyncio.wait_for(unload, 30)
    with pytest.raises(ModelNotLoaded):
        await asyncio.wait_for(long, 30)


async def test_a_prompt_asked_while_its_context_is_made_waits_for_it(
    worker: LlamaWorker, ready: LlamaWorker
) -> None:
    making = asyncio.create_task(worker.create_context(context_size=256, reload=True))
    await asyncio.sleep(0)
    assert (await asked(worker, "quick")).usage.n_tokens == 3
    await making


def test_whoever_comes_when_it_is_going_is_not_let_in() -> None:
    readers = Readers()
    with readers.one() as is_kept:
        assert is_kept
        closing = threading.Thread(target=readers.close)
        closing.start()
        closing.join(0.1)
        assert closing.is_alive()
        with readers.one() as is_kept_too:
            assert not is_kept_too
    closing.join(10)
    assert not closing.is_alive()
