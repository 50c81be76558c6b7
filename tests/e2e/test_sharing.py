"""Many notebooks, one service, one copy of the weights; and what it costs to come and go."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.homes import Home
from tests.support.kernels import Kernel
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.demo import model_path
from wiz_kernel_ext.errors import (
    BadRequest,
    Conflict,
    ContextNotLoaded,
    ModelNotLoaded,
    SessionNotLoaded,
)
from wiz_kernel_ext.protocol.options import PromptOptions
from wiz_kernel_ext.protocol.requests import Prompt

PROMPTS = (
    "Hello",
    "What is the capital of France?",
    "Qual é o sentido da vida?",
    "Explique clean architecture",
    "What are you?",
    "Count from 1 to 30.",
    "What is 3 + 4?",
    "Tell me a story.",
)
ASK = """
import sys
from wiz_kernel_ext import Client
client = Client()
client.load_model("demo"); client.create_context(); client.initialize_session()
print(client.status().service.pid)
"""


def ready(client: Client) -> Client:
    client.load_model("demo")
    client.create_context()
    client.initialize_session()
    return client


def test_eight_kernels_at_once_share_one_worker_and_each_gets_the_text_it_gets_alone(
    home: Home, client: Client
) -> None:
    ready(client)
    alone = [client.prompt(text, temperature=0, max_tokens=120, messages=[]) for text in PROMPTS]
    with ThreadPoolExecutor(8) as threads:
        kernels = list(threads.map(lambda _: Kernel(home.environment), PROMPTS))
        try:
            list(threads.map(lambda k: k.run("%load_ext wiz_kernel_ext\n%wiz_load demo"), kernels))
            code = "%%wiz_prompt --temperature 0 --max-tokens 120 -o answer\n"
            cells = list(threads.map(lambda k, text: k.run(code + text), kernels, PROMPTS))
            texts = [kernel.value("str(answer)") for kernel in kernels]
        finally:
            list(threads.map(lambda kernel: kernel.close(), kernels))
    assert [cell.status for cell in cells] == ["ok"] * 8
    assert texts == [str(answer) for answer in alone]
    assert len(home.workers()) == 1
    assert len({answer.session for answer in alone}) == 1


@pytest.mark.parametrize("n_rounds", [4, pytest.param(20, marks=pytest.mark.slow)])
def test_processes_that_start_at_the_same_instant_share_one_service(n_rounds: int) -> None:
    for _ in range(n_rounds):
        home = Home.make()
        try:
            environment = {**os.environ, **home.environment}
            both = [
                subprocess.Popen(
                    [sys.executable, "-c", ASK], env=environment, stdout=subprocess.PIPE, text=True
                )
                for _ in range(2)
            ]
            pids = [process.communicate(timeout=60)[0].strip() for process in both]
            assert pids[0] == pids[1] != ""
            assert len(home.services()) == 1
            assert len(home.workers()) == 1
        finally:
            home.close()


def test_services_of_other_names_live_apart(home: Home, client: Client) -> None:
    ready(client)
    other_home = Home.make()
    other = Client(other_home.settings)
    try:
        assert other.status().service.pid != client.status().service.pid
        assert not other.status().workers
    finally:
        other.close()
        other_home.close()


@pytest.mark.parametrize("n_rounds", [8, pytest.param(50, marks=pytest.mark.slow)])
def test_loading_and_unloading_leaves_the_services_memory_where_it_began(
    home: Home, client: Client, n_rounds: int
) -> None:
    for _ in range(3):
        ready(client)
        client.unload_model("demo")
    before = client.status().service.memory_bytes
    for _ in range(n_rounds):
        ready(client)
        client.prompt("Hello", temperature=0, max_tokens=5)
        client.unload_model("demo")
        assert not home.workers()
    after = client.status().service.memory_bytes
    assert after - before < 10e6


def test_the_same_model_is_shared_at_once_and_other_parameters_are_refused(
    home: Home, client: Client
) -> None:
    first = client.load_model("demo", gpu_layers=0)
    other = Client()
    assert other.load_model("demo").worker_pid == first.worker_pid
    with pytest.raises(Conflict) as caught:
        other.load_model("demo", use_mmap=False)
    assert list(caught.value.details["difference"].values()) == [[True, False]]
    assert other.load_model("demo", use_mmap=False, reload=True).worker_pid != first.worker_pid
    assert len(home.workers()) == 1
    other.close()


def test_the_ladder_of_raw_calls_is_strict_and_each_clients_own(client: Client) -> None:
    other = Client()
    with pytest.raises(SessionNotLoaded):
        client.prompt("x")
    with pytest.raises(ModelNotLoaded):
        client.create_context()
    with pytest.raises(ModelNotLoaded):
        client.initialize_session()
    client.load_model("demo")
    with pytest.raises(ContextNotLoaded, match=r"^Context not loaded\.$"):
        client.initialize_session()
    client.create_context()
    with pytest.raises(SessionNotLoaded, match=r"^Session not loaded\.$"):
        client.prompt("x")
    with pytest.raises(ModelNotLoaded, match=r"^Model not loaded\.$"):
        other.create_context()
    other.close()


def test_two_models_are_two_workers(home: Home, client: Client) -> None:
    ready(client)
    copy = home.folder / "copy.gguf"
    copy.write_bytes(model_path().read_bytes())
    client.load_model(str(copy))
    assert len(home.workers()) == 2
    client.unload_model(str(copy))
    assert len(home.workers()) == 1


def test_an_unused_service_and_an_unused_model_go_by_themselves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home = Home.make(keep_alive_s=0.5, idle_exit_s=1.0)
    client = Client(home.settings)
    try:
        ready(client)
        assert home.workers()
        deadline = time.monotonic() + 20
        while home.processes() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not home.processes()
        # And it comes back by itself.
        assert ready(client).prompt("Hello", temperature=0, max_tokens=5)
    finally:
        client.close()
        home.close()


def test_prompts_of_one_session_run_in_order_and_those_of_others_together(
    shared_client: Client,
) -> None:
    client = ready(shared_client)
    session = client.initialize_session(session="one")
    long = client.send_prompt("Count from 1 to 100.", temperature=0, max_tokens=300)
    second = client.send_prompt("Hello", temperature=0)
    other = Client()
    ready(other)
    assert other.prompt("Hello", temperature=0, max_tokens=3)
    assert second.state == "queued" or long.state == "done"
    second.result(timeout_s=30)
    assert long.state == "done"
    roles = [message.role for message in client.session(session).messages]
    assert roles == ["user", "assistant"] * 2
    other.close()


def test_a_queued_prompt_can_be_cancelled_and_leaves_no_trace(
    shared_client: Client,
) -> None:
    client = ready(shared_client)
    long = client.send_prompt("Count from 1 to 100.", temperature=0, max_tokens=300)
    queued = client.send_prompt("Hello", temperature=0)
    queued.cancel()
    long.cancel()
    long.result(timeout_s=10)
    assert queued.state in ("cancelled", "queued")


def test_a_dropped_turn_is_gone_for_everybody_and_can_be_asked_again(
    shared_client: Client,
) -> None:
    client = ready(shared_client)
    session = client.initialize_session(session="again")
    first = client.prompt("Hello", temperature=0)
    dropped = client.drop_last_turn(session)
    assert [message.content for message in dropped] == ["Hello", str(first)]
    assert client.session("again").messages == []
    assert client.prompt("Hello", temperature=0) == first


def test_who_waits_for_a_change_hears_of_an_operations_begin_and_end(client: Client) -> None:
    ready(client)
    client.initialize_session()
    seen = client.await_change()
    assert client.await_change(seen, timeout_s=0.05) == seen
    operation = client.send_prompt("Count from 1 to 50.", temperature=0, max_tokens=100)
    begun = client.await_change(seen, timeout_s=10)
    assert begun > seen
    info = client.operation(operation.id)
    assert info.title == "Count from 1 to 50."
    operation.result(timeout_s=30)
    assert client.await_change(begun, timeout_s=10) > begun
    assert client.operation(operation.id).n_tokens == operation.result().usage.n_tokens


def test_who_names_no_model_among_several_is_told_which_there_are(
    home: Home, client: Client, slow_model: Path
) -> None:
    client.load_model("demo")
    client.load_model(str(slow_model))
    stranger = Client()
    session = stranger.open_session("new")
    options = PromptOptions(max_tokens=3)
    ask = Prompt(prompt="Hello", session=session.id, autoload=True, options=options)
    with pytest.raises(BadRequest, match=r"Which model.*wiz demo, "):
        stranger.start(ask).result()
    with pytest.raises(BadRequest, match=r"Which model.*wiz demo, "):
        stranger.unload_model()
    # As the status shows it.
    assert stranger.unload_model("wiz demo").model_path == str(model_path())
    assert stranger.start(ask).result(timeout_s=60)
    stranger.close()


def test_a_model_whose_file_was_deleted_answers_and_is_unloaded_by_its_name(
    home: Home, client: Client, tmp_path: Path
) -> None:
    file = tmp_path / "mine.gguf"
    file.write_bytes(model_path().read_bytes())
    client.load_model(str(file))
    client.create_context()
    client.initialize_session()
    file.unlink()
    assert client.prompt("Hello", temperature=0)
    assert client.unload_model(str(file)).model_path == str(file)
    assert client.status().workers == []
