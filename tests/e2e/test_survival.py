"""The story the project exists for: real kernels come and go, the model and the answer stay."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.homes import Home
from tests.support.kernels import Kernel
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.errors import OperationInterrupted, WorkerDied
from wiz_kernel_ext.printable import printable
from wiz_kernel_ext.protocol.events import AnyEvent, Delta

# The slow model would take ten seconds and more for these; nothing it says is its end.
LONG = "Go on and on."
LONG_OPTIONS: dict[str, Any] = {
    "temperature": 0,
    "max_tokens": 3000,
    "logit_bias": {"<|im_end|>": -1000.0, "<|endoftext|>": -1000.0},
}
LONG_FLAGS = (
    "--temperature 0 --max-tokens 3000 --logit-bias <|im_end|>=-1000 "
    "--logit-bias <|endoftext|>=-1000"
)


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
    kernel: Kernel, client: Client, slow_model: Path
) -> None:
    kernel.run("import wiz_kernel_ext as wiz; c = wiz.Client()")
    kernel.run(f"c.load_model({str(slow_model)!r}); c.create_context(); c.initialize_session()")
    options = {**LONG_OPTIONS, "max_tokens": 300}
    operation_id = kernel.value(f"c.send_prompt({LONG!r}, **{options!r}).id")
    wait_text(client, operation_id)
    kernel.kill_and_restart()
    kernel.run("import wiz_kernel_ext as wiz")
    kernel.run(f"op = wiz.Client().attach({operation_id!r}); answer = op.result()")
    answer = kernel.value("str(answer)")
    assert "".join(kernel.value("[d.text for d in op]")) == answer
    assert kernel.value("answer.usage.n_tokens") == 300
    assert answer == client.attach(operation_id).result()


def test_a_restart_from_the_menu_in_mid_answer_lets_the_answer_be_finished(
    kernel: Kernel, client: Client, slow_model: Path
) -> None:
    kernel.run(f"%wiz_load {slow_model}")
    flags = LONG_FLAGS.replace("3000", "300")
    message = kernel.send(f"%%wiz_prompt --session mine {flags}\n{LONG}")
    kernel.wait_answer(message)
    # Jupyter interrupts the cell before it asks the kernel to end.
    kernel.restart()
    (operation,) = client.operations(session="mine")
    answer = client.attach(operation.id).result(timeout_s=60)
    assert (answer.finish_reason, answer.usage.n_tokens) == ("length", 300)
    assert client.session("mine").messages[1].content == answer


def test_a_new_kernel_of_the_same_notebook_attaches_to_its_last_answer_by_itself(
    kernel: Kernel, client: Client, slow_model: Path
) -> None:
    kernel.run(f"%wiz_load {slow_model}")
    message = kernel.send(f"%%wiz_prompt --session mine {LONG_FLAGS}\n{LONG}")
    kernel.wait_answer(message)
    kernel.kill_and_restart()
    kernel.run("%load_ext wiz_kernel_ext")
    (running,) = [o for o in client.operations(session="mine") if o.state == "running"]
    message = kernel.send("%wiz_attach " + running.id)
    assert kernel.wait_answer(message)
    client.cancel(running.id)
    cell = kernel.finish(message)
    assert printable(client.operation(running.id).text) in cell.answer


def test_events_are_numbered_without_gap_or_repeat_from_wherever_one_attaches(
    client: Client,
) -> None:
    client.load_model("demo")
    client.create_context()
    client.initialize_session()
    operation = client.send_prompt("Count from 1 to 100.", temperature=0, max_tokens=200)
    whole: list[AnyEvent] = list(operation.events())
    for start in (0, 1, len(whole) // 2, len(whole) - 1, len(whole) + 10):
        late = list(client.attach(operation.id, from_seq=start).events())
        assert late == (whole[start:] or whole[-1:])


def test_a_worker_killed_in_mid_answer_fails_the_cell_with_the_cause(
    kernel: Kernel, client: Client, slow_model: Path
) -> None:
    kernel.run(f"%wiz_load {slow_model}")
    kernel.run("variable = 41")
    message = kernel.send(f"%%wiz_prompt --session mine {LONG_FLAGS}\n{LONG}")
    kernel.wait_answer(message)
    os.kill(client.status().workers[0].pid, signal.SIGKILL)
    cell = kernel.finish(message)
    assert cell.status == "error"
    assert cell.error_name == "WorkerDied"
    assert "SIGKILL" in cell.traceback[0]
    assert len(cell.traceback) == 2
    assert kernel.value("variable + 1") == 42
    kept = client.session("mine").messages
    assert [m.finish_reason for m in kept] == [None, "interrupted"]
    assert kept[1].content


def test_after_a_worker_was_killed_the_next_prompt_loads_the_model_and_remembers(
    kernel: Kernel, home: Home, client: Client
) -> None:
    kernel.run("%wiz_load demo")
    prompt(kernel, "Hello, my name is Ana.")
    (worker,) = home.workers()
    # Stopped first, so that it dies with a prompt in its hands.
    worker.suspend()
    message = kernel.send("%%wiz_prompt --temperature 0\nWhat is my name?")
    while not client.status().workers[0].n_running:
        time.sleep(0.01)
    worker.kill()
    assert kernel.finish(message).error_name == "WorkerDied"
    assert "Ana" in prompt(kernel, "What is my name?")
    assert client.status().workers[0].loads == 2


def test_a_service_killed_in_mid_answer_is_replaced_and_tells_what_it_had_been_doing(
    home: Home, client: Client, slow_model: Path
) -> None:
    client.load_model(str(slow_model))
    client.create_context()
    session = client.initialize_session()
    client.prompt("Hello", max_tokens=5)
    operation = client.send_prompt(LONG, **LONG_OPTIONS)
    first = next(iter(operation))
    time.sleep(0.5)
    home.services()[0].kill()
    with pytest.raises(OperationInterrupted) as caught:
        operation.result(timeout_s=30)
    assert operation.state == "interrupted"
    assert caught.value.details["text"].startswith(first.text)
    assert client.operation(operation.id).state == "interrupted"
    assert len(home.services()) == 1
    messages = client.session(session).messages
    assert [m.role for m in messages] == ["user", "assistant"] * 2
    assert (messages[2].content, messages[3].finish_reason) == (LONG, "interrupted")


@pytest.mark.parametrize(("kill", "limit_s"), [(True, 5.0), (False, 2.0)])
def test_workers_end_soon_after_a_killed_and_a_stopped_service(
    home: Home, client: Client, slow_model: Path, kill: bool, limit_s: float
) -> None:
    client.load_model(str(slow_model))
    client.create_context()
    client.initialize_session()
    next(iter(client.send_prompt(LONG, **LONG_OPTIONS)))
    (worker,), (service,) = home.workers(), home.services()
    started = time.monotonic()
    if kill:
        service.kill()
    else:
        service.terminate()
    worker.wait(timeout=limit_s)
    assert time.monotonic() - started < limit_s


def test_unloading_ends_the_process_and_the_cell_after_it_loads_again(
    kernel: Kernel, home: Home
) -> None:
    kernel.run("%wiz_load demo")
    (worker,) = home.workers()
    assert kernel.run("%wiz_unload").status == "ok"
    worker.wait(timeout=5)
    assert not home.workers()
    prompt(kernel, "Hello")
    assert len(home.workers()) == 1


def test_a_worker_killed_while_idle_is_noticed(home: Home, client: Client) -> None:
    client.load_model("demo")
    client.create_context()
    home.workers()[0].kill()
    deadline = time.monotonic() + 5
    while client.status().workers and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not client.status().workers


def test_what_a_raw_client_gets_when_its_worker_dies_names_signal_and_log(
    home: Home, client: Client, slow_model: Path
) -> None:
    client.load_model(str(slow_model))
    client.create_context()
    client.initialize_session()
    operation = client.send_prompt(LONG, **LONG_OPTIONS)
    assert isinstance(next(iter(operation)), Delta)
    home.workers()[0].send_signal(signal.SIGSEGV)
    with pytest.raises(WorkerDied) as caught:
        operation.result(timeout_s=20)
    assert "SIGSEGV" in caught.value.message
    assert caught.value.details["log"]


def test_an_interrupt_ends_the_cell_frees_the_sequence_and_keeps_the_partial_text(
    kernel: Kernel, client: Client, slow_model: Path
) -> None:
    kernel.run(f"%wiz_load {slow_model}")
    message = kernel.send(f"%%wiz_prompt --session mine -o answer {LONG_FLAGS}\n{LONG}")
    kernel.wait_answer(message)
    kernel.interrupt()
    cell = kernel.finish(message)
    assert cell.error_name == "KeyboardInterrupt"
    assert cell.took_s < 5
    assert kernel.value("answer.finish_reason") == "cancelled"
    kept = client.session("mine").messages
    assert kept[1].finish_reason == "cancelled"
    assert kept[1].content == kernel.value("str(answer)") != ""
    assert client.status().workers[0].n_running == 0


def test_an_interrupt_while_a_long_prompt_is_read_ends_the_cell_and_leaves_no_trace(
    kernel: Kernel, client: Client, slow_model: Path
) -> None:
    kernel.run(f"%wiz_load {slow_model} --ctx 8192")
    message = kernel.send(f"%%wiz_prompt --session mine {LONG_FLAGS}\n{'word ' * 1500}")
    while not client.status().workers[0].n_running:
        time.sleep(0.01)
    time.sleep(0.2)
    kernel.interrupt()
    cell = kernel.finish(message)
    assert cell.error_name == "KeyboardInterrupt"
    assert cell.took_s < 5
    deadline = time.monotonic() + 5
    while client.status().workers[0].n_running and time.monotonic() < deadline:
        time.sleep(0.02)
    assert client.status().workers[0].n_running == 0
    assert not client.session("mine").messages
