"""The original's eight calls, in-process, on a real model."""

from __future__ import annotations

import asyncio
import random
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.support.tiny_gguf import Shape, write_tiny_gguf
from wiz_kernel_ext.engine.backend import Backend
from wiz_kernel_ext.errors import (
    BadRequest,
    Conflict,
    ContextNotLoaded,
    ContextOverflow,
    InternalError,
    ModelFileNotFound,
    ModelLoadFailed,
    ModelNotLoaded,
    OperationCancelled,
    ServiceStopping,
    SessionNotLoaded,
)
from wiz_kernel_ext.protocol.events import AnyEvent, End, Notice, Progress
from wiz_kernel_ext.protocol.messages import ChatMessage
from wiz_kernel_ext.protocol.options import PromptOptions
from wiz_kernel_ext.protocol.requests import CreateContext, LoadModel, Prompt, SendPrompt
from wiz_kernel_ext.worker.call import Call
from wiz_kernel_ext.worker.llama_worker import LlamaWorker
from wiz_kernel_ext.worker.model_host import RAW_MAX_TOKENS

NO_END = {"<|im_end|>": -1000.0, "<|endoftext|>": -1000.0}
LETTER = PromptOptions(logit_bias={"z": 1000.0}, max_tokens=3)
LONG: dict[str, Any] = {"logit_bias": NO_END, "max_tokens": 400}


async def test_the_originals_first_example_runs(worker: LlamaWorker, tiny_gguf: Path) -> None:
    await worker.load_model(model_path=str(tiny_gguf))
    await worker.create_context()
    await worker.initialize_session()
    response = await worker.prompt("Qual é o sentido da vida?", max_tokens=20, logit_bias=NO_END)
    assert isinstance(response, str)
    assert response
    assert response.usage.n_tokens == 20
    assert response.finish_reason == "length"
    assert response.model_path == str(tiny_gguf)


async def test_the_ladder_is_strict_and_says_the_originals_words(
    worker: LlamaWorker, tiny_gguf: Path
) -> None:
    with pytest.raises(SessionNotLoaded, match=r"^Session not loaded\.$"):
        await worker.prompt("...")
    with pytest.raises(ModelNotLoaded, match=r"^Model not loaded\.$"):
        await worker.create_context()
    with pytest.raises(ModelNotLoaded):
        await worker.initialize_session()
    with pytest.raises(ModelNotLoaded):
        await worker.unload_model()
    await worker.load_model(str(tiny_gguf))
    with pytest.raises(ContextNotLoaded, match=r"^Context not loaded\.$"):
        await worker.initialize_session()
    with pytest.raises(SessionNotLoaded):
        await worker.prompt("...")
    with pytest.raises(ContextNotLoaded):
        await worker.prompt("...", messages=[])


async def test_initialize_tells_versions_and_gives_load_its_defaults(
    worker: LlamaWorker, tiny_gguf: Path
) -> None:
    runtime = await worker.initialize(model_path=str(tiny_gguf), gpu_layers=0)
    assert {"wiz_kernel_ext", "python", "llama_cpp"} <= set(runtime.versions)
    assert runtime.devices
    assert runtime.loaded == []
    assert (await worker.load_model()).model_path == str(tiny_gguf)
    assert (await worker.initialize()).loaded == [str(tiny_gguf)]


async def test_loading_the_same_again_shares_it_and_another_way_is_a_conflict(
    worker: LlamaWorker, tiny_gguf: Path, tmp_path: Path
) -> None:
    first = await worker.load_model(str(tiny_gguf), use_mmap=False)
    assert (first.shared, first.n_layers, first.has_chat_template) == (False, 2, True)
    assert (await worker.load_model(str(tiny_gguf))).shared
    with pytest.raises(Conflict, match="useMmap") as caught:
        await worker.load_model(str(tiny_gguf), use_mmap=True)
    assert caught.value.details["difference"] == {"useMmap": [False, True]}
    other = write_tiny_gguf(tmp_path / "other.gguf", Shape(seed=2))
    with pytest.raises(Conflict, match=r"other\.gguf"):
        await worker.load_model(str(other))
    assert (await worker.load_model(str(other), reload=True)).model_path == str(other)


async def test_layers_for_a_gpu_there_is_not_are_no_difference(
    worker: LlamaWorker, tiny_gguf: Path
) -> None:
    await worker.load_model(str(tiny_gguf), gpu_layers=20)
    assert (await worker.load_model(str(tiny_gguf), gpu_layers=20)).shared
    assert (await worker.load_model(str(tiny_gguf), gpu_layers="auto")).shared
    await worker.create_context(batch_size=2)
    assert (await worker.create_context(batch_size=2)).shared


async def test_a_context_is_shared_conflicts_and_is_made_anew_like_a_model(
    ready: LlamaWorker,
) -> None:
    assert (await ready.create_context()).shared
    assert (await ready.create_context(context_size=512)).shared
    with pytest.raises(Conflict, match="contextSize") as caught:
        await ready.create_context(context_size=256, sequences=2)
    difference = caught.value.details["difference"]
    assert difference == {"contextSize": [512, 256], "sequences": [16, 2]}
    info = await ready.create_context(context_size=256, sequences=2, reload=True)
    assert (info.context_size, info.sequences, info.pool_size, info.shared) == (256, 2, 512, False)


async def test_a_session_remembers_what_was_said(ready: LlamaWorker) -> None:
    session = await ready.initialize_session(system_prompt="Be brief.")
    first = await ready.prompt("one", max_tokens=5)
    second = await ready.prompt("two", max_tokens=5)
    assert first.session == second.session == session
    assert second.usage.n_prompt_tokens > first.usage.n_prompt_tokens
    assert second.usage.n_cached_tokens > 20
    await ready.initialize_session(session="other")
    assert (await ready.prompt("one", max_tokens=5)).usage.n_prompt_tokens < 30
    assert (await ready.prompt("x", session=session, max_tokens=5)).session == session
    with pytest.raises(SessionNotLoaded):
        await ready.prompt("x", session="nobody's")


async def test_explicit_messages_need_no_session_and_are_not_kept(ready: LlamaWorker) -> None:
    history = [ChatMessage(role="system", content="s"), ChatMessage(role="user", content="u")]
    greedy: dict[str, Any] = {"temperature": 0.0, "max_tokens": 8, "messages": history}
    first = await ready.prompt("x", **greedy)
    again = await ready.prompt("x", **greedy)
    assert first == again
    assert first.usage.n_prompt_tokens == again.usage.n_prompt_tokens
    with pytest.raises(SessionNotLoaded):
        await ready.prompt("x")


async def test_deltas_are_the_answer_and_the_end_carries_it(ready: LlamaWorker) -> None:
    await ready.initialize_session()
    operation = await ready.send_prompt("tell me", **LONG, seed=1)
    text = "".join([delta.text async for delta in operation])
    answer = await operation.result()
    assert text == answer
    assert operation.state == "done"
    assert answer.operation_id == operation.id
    events = [event async for event in operation.events()]
    assert isinstance(events[-1], End)
    assert "".join([delta.text async for delta in operation]) == text


async def test_a_cancelled_prompt_ends_with_what_it_has_and_the_session_goes_on(
    ready: LlamaWorker,
) -> None:
    await ready.initialize_session()
    operation = await ready.send_prompt("tell me", **LONG)
    async for _ in operation:
        operation.cancel()
    answer = await operation.result()
    assert answer.finish_reason == "cancelled"
    assert operation.state == "cancelled"
    assert 0 < answer.usage.n_tokens < 400
    assert await ready.prompt("and?", max_tokens=3, logit_bias=NO_END)


async def test_an_asker_that_goes_away_stops_its_prompt(ready: LlamaWorker) -> None:
    await ready.initialize_session()
    task = asyncio.create_task(ready.prompt("tell me", **LONG))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(ready.unload_model(), 5)


async def test_many_prompts_at_once_are_all_answered(ready: LlamaWorker) -> None:
    prompts = [
        ready.prompt(f"row {n}", messages=[], max_tokens=10, logit_bias=NO_END) for n in range(20)
    ]
    answers = await asyncio.gather(*prompts)
    assert [answer.usage.n_tokens for answer in answers] == [10] * 20


async def test_a_prompt_too_long_is_refused_with_the_counts(ready: LlamaWorker) -> None:
    await ready.initialize_session()
    with pytest.raises(ContextOverflow, match="512") as caught:
        await ready.prompt("1 " * 600)
    assert caught.value.details["context_size"] == 512
    assert caught.value.details["n_prompt_tokens"] > 1200
    assert await ready.prompt("short", max_tokens=3, logit_bias=NO_END)


async def test_bad_options_are_refused_by_name(ready: LlamaWorker) -> None:
    await ready.initialize_session()
    for options in ({"temprature": 1}, {"top_p": 2.0}, {"logit_bias": {"no such": 1.0}}):
        with pytest.raises(BadRequest):
            await ready.prompt("x", **options)


async def test_unloading_frees_the_model_and_the_ladder_begins_again(ready: LlamaWorker) -> None:
    await ready.initialize_session()
    assert (await ready.unload_model()).model_path.endswith("tiny.gguf")
    with pytest.raises(ModelNotLoaded):
        await ready.prompt("x")
    with pytest.raises(ModelNotLoaded):
        await ready.create_context()


async def test_unloading_under_an_answer_needs_force_and_then_keeps_the_partial_text(
    ready: LlamaWorker, tmp_path: Path
) -> None:
    await ready.initialize_session()
    operation = await ready.send_prompt("tell me", **LONG)
    async for _ in operation:
        break
    with pytest.raises(Conflict, match="answering"):
        await ready.unload_model()
    await ready.unload_model(force=True)
    answer = await operation.result()
    assert answer.finish_reason == "interrupted"
    assert answer


async def test_a_load_tells_its_progress_and_can_be_cancelled(
    worker: LlamaWorker, tiny_gguf: Path
) -> None:
    events: list[AnyEvent] = []
    call = Call(events.append)
    await worker.handle(LoadModel(model_path=str(tiny_gguf)), call)
    assert [e.done for e in events if isinstance(e, Progress)][-1] == 1.0
    await worker.unload_model()
    cancelled = Call()
    cancelled.cancel()
    with pytest.raises(OperationCancelled):
        await worker.handle(LoadModel(model_path=str(tiny_gguf)), cancelled)
    with pytest.raises(ModelNotLoaded):
        await worker.create_context()


async def test_what_the_user_should_know_comes_as_a_notice(
    worker: LlamaWorker, tmp_path: Path
) -> None:
    path = write_tiny_gguf(tmp_path / "plain.gguf", Shape(chat_template=None, width=128))
    events: list[AnyEvent] = []
    call = Call(events.append)
    info = await worker.handle(LoadModel(model_path=str(path), gpu_layers=5), call)
    assert not info.has_chat_template
    made = await worker.handle(CreateContext(context_size=4096, kv_type="q8_0"), call)
    notices = " ".join(e.text for e in events if isinstance(e, Notice))
    for word in ("CPU only", "no chat template", "trained on 2048", "flash attention"):
        assert word in notices
    assert [e.text for e in events if isinstance(e, Notice)] == info.notices + made.notices
    answer = await worker.prompt("x", messages=[], max_tokens=3, logit_bias=NO_END)
    assert answer.usage.n_tokens == 3


async def test_who_shares_a_model_is_told_the_same(worker: LlamaWorker, tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "plain.gguf", Shape(chat_template=None))
    first = await worker.load_model(str(path))
    made = await worker.create_context(context_size=4096)
    events: list[AnyEvent] = []
    shared = await worker.handle(LoadModel(model_path=str(path)), Call(events.append))
    context = await worker.handle(CreateContext(), Call(events.append))
    assert (shared.shared, context.shared) == (True, True)
    told = [e.text for e in events if isinstance(e, Notice)]
    assert told == first.notices + made.notices
    assert len(told) == 2


async def test_a_model_without_a_template_continues_a_text_and_not_for_ever(
    worker: LlamaWorker, tmp_path: Path
) -> None:
    path = write_tiny_gguf(tmp_path / "plain.gguf", Shape(chat_template=None))
    assert (await worker.load_model(str(path))).chat_template == "raw"
    await worker.create_context(context_size=1024)
    answer = await worker.prompt("abc", messages=[], logit_bias=NO_END)
    assert answer.finish_reason == "length"
    assert answer.usage.n_tokens == RAW_MAX_TOKENS
    assert answer.usage.n_prompt_tokens == 2  # the letters, and nothing around them
    chat = await worker.prompt("abc", messages=[], chat_template="chatml", max_tokens=1)
    assert chat.usage.n_prompt_tokens > 5
    with pytest.raises(BadRequest, match="chat template"):
        await worker.prompt("abc", messages=[], chat_template="chatmm")


async def test_a_chat_template_can_be_named_for_a_load_and_differs_from_another(
    worker: LlamaWorker, tiny_gguf: Path
) -> None:
    info = await worker.load_model(str(tiny_gguf), chat_template="alpaca")
    assert (info.chat_template, info.has_chat_template, info.notices) == ("alpaca", True, [])
    assert (await worker.load_model(str(tiny_gguf))).shared
    with pytest.raises(Conflict, match="chatTemplate is alpaca, not gemma"):
        await worker.load_model(str(tiny_gguf), chat_template="gemma")
    own = "{{ messages[0].content }}"
    again = await worker.load_model(str(tiny_gguf), chat_template=own, reload=True)
    assert again.chat_template == "given"


async def test_a_model_with_a_broken_template_is_refused_and_frees_its_place(
    worker: LlamaWorker, tmp_path: Path, tiny_gguf: Path
) -> None:
    path = write_tiny_gguf(tmp_path / "broken.gguf", Shape(chat_template="{% for %}"))
    with pytest.raises(BadRequest, match="chat template"):
        await worker.load_model(str(path))
    await worker.load_model(str(tiny_gguf))


def make_bad(path: Path, model: Path, kind: str) -> None:
    whole = model.read_bytes()
    contents = {
        "empty": b"",
        "text": b"not a model",
        "truncated": whole[: len(whole) // 2],
        "random": b"GGUF\3\0\0\0" + random.Random(1).randbytes(10_000),
    }
    if kind == "directory":
        path.mkdir()
    elif kind in contents:
        path.write_bytes(contents[kind])


@pytest.mark.parametrize("kind", ["missing", "empty", "text", "truncated", "directory", "random"])
async def test_a_bad_file_is_a_typed_error_and_the_worker_lives_on(
    worker: LlamaWorker, tmp_path: Path, tiny_gguf: Path, kind: str
) -> None:
    make_bad(tmp_path / "bad.gguf", tiny_gguf, kind)
    error = ModelFileNotFound if kind == "missing" else ModelLoadFailed
    with pytest.raises(error, match=r"bad\.gguf"):
        await worker.load_model(str(tmp_path / "bad.gguf"))
    await worker.load_model(str(tiny_gguf))


async def test_a_relative_path_is_looked_up_where_the_asker_stands(
    worker: LlamaWorker, tiny_gguf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_gguf.parent)
    assert (await worker.load_model("tiny")).model_path == str(tiny_gguf)


async def test_send_prompt_as_a_request_ends_at_once_with_an_id(ready: LlamaWorker) -> None:
    operation_id = await ready.handle(SendPrompt(prompt="x", messages=[]), Call())
    assert isinstance(operation_id, str)
    (operation,) = ready._operations
    assert operation.id == operation_id
    await operation.result()
    await asyncio.sleep(0)
    assert not ready._operations


async def test_a_failed_operation_ends_its_events_with_the_error(ready: LlamaWorker) -> None:
    operation = await ready.send_prompt("1 " * 600, messages=[])
    events = [event async for event in operation.events()]
    (end,) = events
    assert isinstance(end, End)
    assert end.error is not None
    assert end.error.code == "context_overflow"
    assert operation.state == "failed"
    with pytest.raises(ContextOverflow):
        await operation.result()


async def test_a_bug_of_ours_is_a_typed_error_too(tmp_path: Path, tiny_gguf: Path) -> None:
    def broken() -> Backend:
        raise RuntimeError("no such library")

    worker = await LlamaWorker.create(make_backend=broken)
    with pytest.raises(InternalError, match="no such library"):
        await worker.load_model(str(tiny_gguf))
    await worker.close()


async def test_a_prompt_cancelled_while_another_of_its_session_runs_leaves_no_trace(
    ready: LlamaWorker,
) -> None:
    await ready.initialize_session()
    first = await ready.send_prompt("one", **LONG)
    second = await ready.send_prompt("two", **LONG)
    second.cancel()
    first.cancel()
    assert (await second.result()).finish_reason == "cancelled"
    fresh = await ready.prompt("three", max_tokens=2, logit_bias=NO_END)
    assert fresh.usage.n_prompt_tokens < 400


async def test_unloading_what_is_not_loaded_says_so(ready: LlamaWorker) -> None:
    with pytest.raises(ModelNotLoaded):
        await ready.unload_model("/no/such.gguf")


def test_an_asker_whose_event_loop_is_closed_harms_nobody(tiny_gguf: Path) -> None:
    async def begin() -> LlamaWorker:
        worker = await LlamaWorker.create()
        await worker.load_model(str(tiny_gguf))
        await worker.create_context(sequences=1)
        await worker.send_prompt("forgotten", messages=[], **LONG)
        await asyncio.sleep(0.01)
        return worker

    async def go_on(worker: LlamaWorker) -> None:
        answer = await worker.prompt("x", messages=[], max_tokens=3, logit_bias=NO_END)
        assert answer.usage.n_tokens == 3
        await worker.close()

    asyncio.run(go_on(asyncio.run(begin())))


async def test_a_closed_worker_says_so(tiny_gguf: Path) -> None:
    worker = await LlamaWorker.create()
    await worker.load_model(str(tiny_gguf))
    await worker.close()
    with pytest.raises(ServiceStopping):
        await worker.load_model(str(tiny_gguf))
    await worker.close()


async def test_a_call_cancelled_before_it_begins_never_reaches_the_engine(
    ready: LlamaWorker,
) -> None:
    call = Call()
    call.cancel()
    info = await ready.handle(Prompt(prompt="x", messages=[]), call)
    assert (info.text, info.finish_reason) == ("", "cancelled")


async def test_the_engine_keeps_one_thread_for_life(ready: LlamaWorker) -> None:
    threads: set[str] = set()
    for _ in range(3):
        call = Call(lambda _: threads.add(threading.current_thread().name))
        await ready.handle(Prompt(prompt="x", messages=[], options=LETTER), call)
    assert threads == {"wiz-engine"}
