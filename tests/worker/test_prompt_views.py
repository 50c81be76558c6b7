"""What a model would read and how long a text is, in a worker, beside what it computes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.support.tiny_gguf import Shape, write_tiny_gguf
from wiz_kernel_ext.errors import BadRequest, ContextNotLoaded, ModelNotLoaded, SessionNotLoaded
from wiz_kernel_ext.protocol.messages import ChatMessage
from wiz_kernel_ext.worker.llama_worker import LlamaWorker

FIM = ("<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>")
NO_END = {"<|im_end|>": -1000.0, "<|endoftext|>": -1000.0}
SYSTEM = ChatMessage(role="system", content="Be <|im_end|> brief.")


async def test_a_text_is_counted_as_it_is_and_messages_as_the_prompt_they_make(
    ready: LlamaWorker,
) -> None:
    assert await ready.count("") == 0
    assert await ready.count("<|im_end|>") > 1
    asked = ChatMessage(role="user", content="x")
    n_tokens = await ready.count([SYSTEM, asked])
    assert n_tokens == (await ready.show("x", messages=[SYSTEM])).n_tokens
    answer = await ready.prompt("x", messages=[SYSTEM], max_tokens=1)
    assert n_tokens == answer.usage.n_prompt_tokens
    as_dict = {"role": "user", "content": "x"}
    assert await ready.count([as_dict], chat_template="raw") == await ready.count("x")
    with pytest.raises(BadRequest, match="text or a list"):
        await ready.count(7)  # type: ignore[arg-type]


async def test_what_is_shown_is_what_is_read(ready: LlamaWorker) -> None:
    shown = await ready.show("hi", messages=[SYSTEM], prefill="so ")
    assert shown.text == (
        "<|im_start|>system\nBe <|im_end|> brief.<|im_end|>\n"
        "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\nso "
    )
    word = await ready.show("hi", messages=[SYSTEM], prefill="so abc")
    assert word.begun
    assert f"{word.text}{word.begun}" == f"{shown.text}abc"
    assert (shown.n_tokens, shown.context_size) == (len(shown.tokens), 512)
    end = (await ready.show("", messages=[], chat_template="{{ '<|im_end|>' }}")).tokens
    assert shown.tokens.count(*end) == 2
    raw = await ready.show("hi", messages=[SYSTEM], chat_template="raw")
    assert raw.text == "Be <|im_end|> brief.\n\nhi"


async def test_a_sessions_next_prompt_is_shown_and_nothing_is_kept_of_it(
    ready: LlamaWorker,
) -> None:
    with pytest.raises(SessionNotLoaded):
        await ready.show("x")
    await ready.initialize_session(system_prompt="S")
    answer = await ready.prompt("one", max_tokens=3, logit_bias=NO_END)
    first = await ready.show("two")
    assert first == await ready.show("two")
    assert f"assistant\n{answer}<|im_end|>" in first.text
    second = await ready.prompt("two", max_tokens=1)
    assert second.usage.n_prompt_tokens == first.n_tokens


async def test_both_answer_while_a_prompt_is_answered(ready: LlamaWorker) -> None:
    await ready.initialize_session()
    operation = await ready.send_prompt("go on", max_tokens=450, logit_bias=NO_END)
    assert await ready.count("abc") > 0
    assert "next" in (await ready.show("next")).text
    assert operation.state == "running"
    operation.cancel()
    await operation.result()


async def test_what_is_missing_is_named(worker: LlamaWorker, tiny_gguf: Path) -> None:
    for look in (worker.count("x"), worker.show("x", messages=[])):
        with pytest.raises(ModelNotLoaded):
            await look
    await worker.load_model(str(tiny_gguf))
    assert await worker.count("x") == 1
    with pytest.raises(ContextNotLoaded):
        await worker.show("x", messages=[])


async def test_a_prompt_too_long_is_shown_all_the_same(ready: LlamaWorker) -> None:
    shown = await ready.show("x" * 600, messages=[])
    assert shown.n_tokens > shown.context_size


async def test_a_look_right_after_a_load_waits_for_it(worker: LlamaWorker, tiny_gguf: Path) -> None:
    load = asyncio.ensure_future(worker.load_model(str(tiny_gguf)))
    await asyncio.sleep(0)
    assert await worker.count("x") == 1
    await load


async def test_a_gap_is_filled_without_a_chat_template_and_ends_at_its_tokens(
    worker: LlamaWorker, tmp_path: Path
) -> None:
    path = write_tiny_gguf(tmp_path / "code.gguf", Shape(more_control_tokens=FIM))
    await worker.load_model(str(path))
    await worker.create_context(context_size=256)
    gap: dict[str, Any] = {"messages": [SYSTEM], "suffix": "\n<|fim_pad|>"}
    shown = await worker.show("def f(", prefill="x", **gap)
    assert shown.text == "<|fim_prefix|>def f(<|fim_suffix|>\n<|fim_pad|><|fim_middle|>x"
    for token in FIM:
        bias = {**NO_END, token: 1000.0}
        filled = await worker.prompt("def f(", prefill="x", logit_bias=bias, **gap)
        assert (str(filled), filled.finish_reason) == ("x", "stop")
    letter = await worker.prompt("def f(", logit_bias={**NO_END, "z": 1000.0}, **gap)
    assert set(letter) == {"z"}
