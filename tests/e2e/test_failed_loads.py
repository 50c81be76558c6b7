"""What fails to load leaves all as it was: the next prompt is answered by the model before it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.gguf_bytes import TEXT, gguf_bytes, llama_metadata, small_model
from tests.support.homes import Home
from wiz_kernel_ext.client import Client, Operation
from wiz_kernel_ext.errors import (
    BadRequest,
    Conflict,
    GgufInvalid,
    ModelFileNotFound,
    ModelLoadFailed,
    OperationCancelled,
    WizError,
    WorkerDied,
)
from wiz_kernel_ext.protocol.events import Progress
from wiz_kernel_ext.protocol.requests import Load


@contextmanager
def going_on(client: Client) -> Iterator[Client]:
    """A client in a conversation with the demo, which has to go on."""
    before = client.load("demo", context_size=512, sequences=2)
    yield client
    (worker,) = client.status().workers
    assert worker.pid == before.model.worker_pid
    answer = client.prompt("Hello", max_tokens=4)
    assert answer.info().model_path == before.model.model_path
    assert before.session is not None
    assert answer.info().session == before.session.name


@pytest.fixture
def talking(client: Client) -> Iterator[Client]:
    """Such a client of a service of its own."""
    with going_on(client) as client:
        yield client


@pytest.fixture
def refused(shared_client: Client) -> Iterator[Client]:
    """Such a client; what others are refused before leaves nothing that it could see."""
    with going_on(shared_client) as client:
        yield client


def _truncated(path: Path) -> Path:
    path.write_bytes(small_model()[:-100])
    return path


def _adapter(path: Path) -> Path:
    metadata = {**llama_metadata(), "general.type": (TEXT, "adapter")}
    path.write_bytes(gguf_bytes(metadata))
    return path


def _vision(path: Path) -> Path:
    path.write_bytes(gguf_bytes({"general.architecture": (TEXT, "clip")}))
    return path


def _noise(path: Path) -> Path:
    path.write_bytes(b"no model at all")
    return path


@pytest.mark.parametrize(
    ("make", "options", "error", "words"),
    [
        (lambda path: path, {}, ModelFileNotFound, "m.gguf"),
        (_noise, {}, GgufInvalid, "is not a GGUF file"),
        (_truncated, {}, GgufInvalid, "is incomplete"),
        (_adapter, {}, ModelLoadFailed, "is an adapter"),
        (_vision, {}, ModelLoadFailed, "sees images"),
        (None, {"context_size": 2**31 - 1}, BadRequest, "of memory besides the model"),
        (None, {"context_size": 99_999_999_999}, BadRequest, "contextSize"),
        (None, {"gpu_layers": 10**20}, BadRequest, "gpu"),
        (None, {"kv_type": "q8_0", "flash_attention": False}, BadRequest, "flash attention"),
    ],
)
def test_what_is_refused(
    refused: Client,
    slow_model: Path,
    tmp_path: Path,
    make: Callable[[Path], Path] | None,
    options: dict[str, Any],
    error: type[WizError],
    words: str,
) -> None:
    path = make(tmp_path / "m.gguf") if make else slow_model
    began = time.monotonic()
    with pytest.raises(error, match=words):
        refused.load(str(path), **options)
    assert time.monotonic() - began < 30


def test_another_context_is_a_conflict(refused: Client) -> None:
    with pytest.raises(Conflict) as raised:
        refused.load("demo", context_size=1024)
    assert raised.value.details["difference"] == {"contextSize": [512, 1024]}


def until_stage(operation: Operation, stage: str) -> None:
    for event in operation.events():
        if isinstance(event, Progress) and event.stage == stage:
            return


def worker_beside(home: Home, known: int, timeout_s: float = 30.0) -> psutil.Process:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        for process in home.workers():
            if process.pid != known:
                return process
        time.sleep(0.005)
    raise AssertionError("no worker came")


@pytest.mark.parametrize("stage", ["start", "load", "context"])
@pytest.mark.parametrize("how", ["kill", "cancel"])
def test_an_end_in_the_middle_of_it(
    talking: Client, home: Home, slow_model: Path, stage: str, how: str
) -> None:
    (demo,) = talking.status().workers
    # A large context takes a while to make: its memory is cleared.
    request = Load(model=str(slow_model), context_size=200_000, kv_type="f32", sequences=1)
    operation = talking.start(request)
    worker = worker_beside(home, demo.pid)
    if stage != "start":
        until_stage(operation, "load")
    if stage == "context":
        time.sleep(0.1)
    if how == "kill":
        worker.kill()
    else:
        operation.cancel()
    try:
        operation.result(timeout_s=60)
    except (WorkerDied, OperationCancelled):
        pass
    else:
        talking.unload_model(str(slow_model), force=True)  # it was ready before that
        talking.load("demo")  # and its asker had gone over to it
        pytest.skip("it was ready sooner than it was ended")
    deadline = time.monotonic() + 10
    while worker.is_running() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(home.workers()) == 1


def test_a_conversation_that_cannot_be_kept(refused: Client, slow_model: Path) -> None:
    with pytest.raises(BadRequest):
        refused.load(str(slow_model), session="a\nb")
    other = Client()
    try:
        with pytest.raises(WizError):
            other.load(str(slow_model), context_size=64, session="x" * 300)
    finally:
        other.close()


@pytest.mark.parametrize(
    "n_pairs", [12, pytest.param(200, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])]
)
def test_random_pairs_of_climbs(home: Home, slow_model: Path, n_pairs: int) -> None:
    chance = random.Random(7)
    clients = [Client(), Client()]
    try:
        with ThreadPoolExecutor(3) as pool:
            for _ in range(n_pairs):
                jobs = [pool.submit(_one_climb, client, chance.random(), slow_model)
                        for client in clients]  # fmt: skip
                if chance.random() < 0.3:
                    pool.submit(_kill_one, home, chance.random())
                for job in jobs:
                    job.result(timeout=120)
                models = [worker.model_path for worker in clients[0].status().workers]
                assert len(models) == len(set(models))
    finally:
        for client in clients:
            client.close()


def _one_climb(client: Client, seed: float, slow_model: Path) -> None:
    chance = random.Random(seed)
    wanted = chance.choice([None, 256, 512])
    request = Load(
        model=chance.choice(["demo", str(slow_model)]),
        context_size=wanted,
        reload=chance.random() < 0.2,
        new=True,
    )
    operation = client.start(request)
    if chance.random() < 0.3:
        time.sleep(chance.random())
        operation.cancel()
    try:
        loaded = operation.result(timeout_s=90)
    except Conflict as error:
        assert set(error.details["difference"]) == {"contextSize"}
    except (OperationCancelled, WorkerDied):
        pass
    else:
        assert wanted in (None, loaded.context.context_size)


def _kill_one(home: Home, delay_s: float) -> None:
    time.sleep(delay_s)
    for worker in home.workers()[:1]:
        worker.kill()
