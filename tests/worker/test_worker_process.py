"""The real process: one line in, one line out, comms, and no orphan when its starter is gone."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from wiz_kernel_ext.engine.environment import worker_environment
from wiz_kernel_ext.errors import SessionNotLoaded, UnknownTarget, WorkerDied
from wiz_kernel_ext.protocol.codec import decode, decode_any
from wiz_kernel_ext.protocol.events import AnyEvent, CancelThis, Delta, Progress
from wiz_kernel_ext.protocol.options import PromptOptions
from wiz_kernel_ext.protocol.requests import (
    AnyRequest,
    CreateContext,
    Initialize,
    LoadModel,
    Prompt,
    UnloadModel,
)
from wiz_kernel_ext.transport.client import ClientComm, CommClient
from wiz_kernel_ext.transport.keys import KeyPair
from wiz_kernel_ext.transport.zmq_links import ZmqClientLink

ENDLESS = PromptOptions(logit_bias={"<|im_end|>": -1000.0, "<|endoftext|>": -1000.0})


def event_of(data: msgspec.Raw) -> AnyEvent:
    event: AnyEvent = decode(data, AnyEvent)  # type: ignore[arg-type]
    return event


class Process:
    """A worker process and a comm client to it."""

    def __init__(self, process: asyncio.subprocess.Process, client: CommClient) -> None:
        self.process = process
        self.client = client

    @classmethod
    async def start(cls, folder: Path) -> Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "wiz_kernel_ext.worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=worker_environment(os.environ),
        )
        assert process.stdin is not None
        assert process.stdout is not None
        keys = KeyPair.generate()
        line = {"endpoint": f"ipc://{folder}/worker", "secretKey": keys.secret}
        process.stdin.write(json.dumps(line).encode() + b"\n")
        endpoint = (await process.stdout.readline()).decode().strip()
        link = ZmqClientLink(endpoint, keys.public, "test")
        client = CommClient(link, lost=lambda: WorkerDied("The connection was lost."))
        await client.start()
        return cls(process, client)

    async def open(self, request: AnyRequest) -> ClientComm:
        return await self.client.open(request.target, request)

    async def ask(self, request: AnyRequest) -> Any:
        comm = await self.open(request)
        return decode_any(await comm.result())

    async def load(self, model: Path) -> None:
        await self.ask(LoadModel(model_path=str(model)))
        await self.ask(CreateContext(context_size=2048))

    async def prompt(self) -> ClientComm:
        """An answer that would go on for long, with its first text here."""
        comm = await self.open(Prompt(prompt="hello", messages=[], options=ENDLESS))
        async for data in comm:
            if isinstance(event_of(data), Delta):
                break
        return comm

    async def ended(self, within_s: float) -> int:
        return await asyncio.wait_for(self.process.wait(), within_s)

    async def close(self) -> None:
        await self.client.close()
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[Process]:
    process = await Process.start(tmp_path)
    yield process
    await process.close()


async def test_it_loads_answers_and_tells_the_same_as_in_process(
    process: Process, tiny_gguf: Path, tmp_path: Path
) -> None:
    runtime = await process.ask(Initialize())
    assert runtime["loaded"] == []
    assert not (tmp_path / "worker").exists(), "the socket's file would outlive a killed worker"
    comm = await process.open(LoadModel(model_path=str(tiny_gguf)))
    events = [event_of(data) async for data in comm]
    assert [event.done for event in events if isinstance(event, Progress)][-1] == 1.0
    info = decode_any(await comm.result())
    assert info["workerPid"] == process.process.pid
    await process.ask(CreateContext(context_size=256))
    comm = await process.open(Prompt(prompt="hello", messages=[], options=ENDLESS))
    text = ""
    async for data in comm:
        event = event_of(data)
        text += event.text if isinstance(event, Delta) else ""
    answer = decode_any(await comm.result())
    assert answer["text"] == text
    assert answer["finishReason"] == "length"
    assert (await process.ask(UnloadModel()))["modelPath"] == str(tiny_gguf)


async def test_errors_keep_their_type_on_the_way(process: Process) -> None:
    with pytest.raises(SessionNotLoaded, match=r"^Session not loaded\.$"):
        await process.ask(Prompt(prompt="x"))
    comm = await process.client.open("worker:nothing", {})
    with pytest.raises(UnknownTarget):
        await comm.result()


async def test_a_cancel_ends_the_answer_with_what_there_is(
    process: Process, tiny_gguf: Path
) -> None:
    await process.load(tiny_gguf)
    comm = await process.prompt()
    await comm.send(CancelThis())
    answer = decode_any(await comm.result())
    assert answer["finishReason"] == "cancelled"
    assert answer["text"]


async def test_an_asker_that_closes_its_comm_stops_the_answer(
    process: Process, tiny_gguf: Path
) -> None:
    await process.load(tiny_gguf)
    await (await process.prompt()).close()
    await asyncio.sleep(0.3)
    await process.ask(UnloadModel())


@pytest.mark.parametrize("is_answering", [False, True])
async def test_it_ends_when_its_starter_is_gone(
    process: Process, tiny_gguf: Path, is_answering: bool
) -> None:
    await process.load(tiny_gguf)
    if is_answering:
        await process.prompt()
    assert process.process.stdin is not None
    process.process.stdin.close()
    assert await process.ended(within_s=5) == 0


async def test_sigterm_ends_it_and_an_interrupt_does_not(process: Process, tiny_gguf: Path) -> None:
    await process.load(tiny_gguf)
    comm = await process.prompt()
    process.process.send_signal(signal.SIGINT)
    await process.ask(Initialize())
    process.process.terminate()
    assert await process.ended(within_s=5) == -signal.SIGTERM
    with pytest.raises(WorkerDied):
        await comm.result()


async def test_without_an_introduction_it_ends_at_once(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "wiz_kernel_ext.worker", stdin=asyncio.subprocess.DEVNULL
    )
    assert await asyncio.wait_for(process.wait(), 20) == 0


async def test_it_uses_no_processor_while_nothing_is_asked(
    process: Process, tiny_gguf: Path
) -> None:
    await process.load(tiny_gguf)
    itself = psutil.Process(process.process.pid)
    await asyncio.sleep(0.2)
    before, started_at = itself.cpu_times(), time.monotonic()
    await asyncio.sleep(0.5)
    after = itself.cpu_times()
    used = after.user + after.system - before.user - before.system
    assert used < 0.5 * (time.monotonic() - started_at)
