"""The story the project exists for: real kernels come and go, the model and the answer stay."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from tests.support.homes import Home
from tests.support.kernels import Kernel
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.errors import OperationInterrupted, WorkerDied
from wiz_kernel_ext.protocol.events import AnyEvent, Delta

LONG = "Count from 1 to 100."


@pytest.fixture
def kernel(home: Home) -> Iterator[Kernel]:
    kernel = Kernel(home.environment)
    kernel.run("%load_ext wiz_kernel_ext")
    yield kernel
    kernel.close()


def prompt(kernel: Kernel, text: str, options: str = "") -> str:
    """The answer that a notebook's cell gets."""
    cell = kernel.run(f"%%wiz_prompt --temperature 0 -o answer {options}\n{text}")
    assert cell.status == "ok", cell
    return str(kernel.value("str(answer)"))


def wait_text(client: Client, operation_id: str, timeout_s: float = 20.0) -> str:
    """Wait until an operation has said something."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if text := client.operation(operation_id).text:
            return text
        time.sleep(0.01)
    raise TimeoutError("no text")


def test_a_kernel_restart_keeps_the_model_and_the_conversation(
    kernel: Kernel, client: Client
) -> None:
    kernel.run("%wiz_load demo")
    prompt(kernel, "Hello, my name is Ana.")
    before = client.status().workers[0]
    kernel.restart()
    kernel.run("%load_ext wiz_kernel_ext")
    assert "Ana" in prompt(kernel, "What is my name?")
    after = client.status().workers[0]
    assert (after.pid, after.loads) == (before.pid, before.loads)


def test_the_answer_goes_on_while_its_kernel_is_killed_and_a_new_one_gets_all_of_it(
    kernel: Kernel, client: Client
) -> None:
    kernel.run("%wiz_load demo")
    kernel.run("import wiz_kernel_ext as wiz; c = wiz.Client()")
    kernel.run("c.load_model('demo'); c.create_context(); c.initialize_session()")
    operation_id = kernel.value(f"c.send_prompt({LONG!r}, temperature=0, max_tokens=400).id")
    wait_text(client, operation_id)
    kernel.kill_and_restart()
    kernel.run("import wiz_kernel_ext as wiz")
    kernel.run(f"op = wiz.Client().attach({operation_id!r}); answer = op.result()")
    answer = kernel.value("str(answer)")
    deltas = kernel.value("[d.text for d in op]")
    assert "".join(deltas) == answer
    assert answer == client.attach(operation_id).result()


def test_events_are_numbered_without_gap_or_repeat_from_wherever_one_attaches(
    client: Client,
) -> None:
    client.load_model("demo")
    client.create_context()
    client.initialize_session()
    operation = client.send_prompt(LONG, temperature=0, max_tokens=200)
    whole: list[AnyEvent] = list(operation.events())
    for start in (0, 1, len(whole) // 2, len(whole) - 1, len(whole) + 10):
        late = list(client.attach(operation.id, from_seq=start).events())
        assert late == (whole[start:] or whole[-1:])


def test_a_worker_killed_in_mid_answer_fails_the_cell_with_the_cause_and_comes_back(
    kernel: Kernel, client: Client
) -> None:
    kernel.run("%wiz_load demo")
    kernel.run("variable = 41")
    prompt(kernel, "Hello, my name is Ana.")
    message = kernel.send(f"%%wiz_prompt --temperature 0\n{LONG}")
    kernel.wait_answer(message)
    os.kill(client.status().workers[0].pid, signal.SIGKILL)
    cell = kernel.finish(message)
    assert cell.status == "error"
    assert cell.error_name == "WorkerDied"
    assert "SIGKILL" in cell.traceback[0]
    assert len(cell.traceback) == 2
    assert kernel.value("variable + 1") == 42
    assert "Ana" in prompt(kernel, "What is my name?")
    assert client.status().workers[0].loads == 2


def test_a_service_killed_in_mid_answer_is_replaced_and_tells_what_it_had_been_doing(
    home: Home, client: Client
) -> None:
    client.load_model("demo")
    client.create_context()
    session = client.initialize_session()
    client.prompt("Hello, my name is Ana.", temperature=0)
    operation = client.send_prompt(LONG, temperature=0, max_tokens=400)
    first = next(iter(operation))
    time.sleep(0.3)
    home.services()[0].kill()
    with pytest.raises(OperationInterrupted) as caught:
        operation.result(timeout_s=30)
    assert operation.state == "interrupted"
    assert caught.value.details["text"].startswith(first.text)
    assert client.operation(operation.id).state == "interrupted"
    assert len(home.services()) == 1
    messages = client.session(session).messages
    assert [m.finish_reason for m in messages] == [None, None, None, "interrupted"]
    assert messages[2].content == LONG


def test_workers_end_within_5_s_of_a_killed_service_and_within_2_s_of_a_stopped_one(
    home: Home, client: Client
) -> None:
    for kill, limit_s in ((True, 5.0), (False, 2.0)):
        client.load_model("demo")
        client.create_context()
        (worker,) = home.workers()
        client.initialize_session()
        client.send_prompt(LONG, temperature=0, max_tokens=400)
        started = time.monotonic()
        if kill:
            home.services()[0].kill()
        else:
            client.stop()
        worker.wait(timeout=limit_s)
        assert time.monotonic() - started < limit_s
        assert not home.workers()


def test_unloading_ends_the_process_and_the_cell_after_it_loads_again(
    kernel: Kernel, home: Home, client: Client
) -> None:
    kernel.run("%wiz_load demo")
    (worker,) = home.workers()
    assert kernel.run("%wiz_unload").status == "ok"
    worker.wait(timeout=5)
    assert not home.workers()
    prompt(kernel, "Hello")
    assert len(home.workers()) == 1


def test_a_worker_killed_while_idle_is_noticed_and_its_model_is_not_loaded_any_more(
    home: Home, client: Client
) -> None:
    client.load_model("demo")
    client.create_context()
    home.workers()[0].kill()
    deadline = time.monotonic() + 5
    while client.status().workers and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not client.status().workers


def test_what_a_raw_client_gets_when_its_worker_dies_names_signal_and_log(
    home: Home, client: Client
) -> None:
    client.load_model("demo")
    client.create_context()
    client.initialize_session()
    operation = client.send_prompt(LONG, temperature=0, max_tokens=400)
    texts = iter(operation)
    assert isinstance(next(texts), Delta)
    os.kill(home.workers()[0].pid, signal.SIGSEGV)
    with pytest.raises(WorkerDied) as caught:
        operation.result(timeout_s=20)
    assert "SIGSEGV" in caught.value.message
    assert caught.value.details["log"]
