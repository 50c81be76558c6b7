"""Workers that make no progress: stopped at every stage, or in a load or a step without end."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from tests.support.faulty_engine import Fault, FaultyEngine
from tests.support.homes import Home
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.client.operation import Operation
from wiz_kernel_ext.commands.service_tables import worker_table
from wiz_kernel_ext.errors import Conflict, OperationCancelled, WorkerDied, WorkerHung
from wiz_kernel_ext.notebook.widgets.status_rows import StatusRows
from wiz_kernel_ext.protocol.events import AnyEvent, Delta, Notice, Progress
from wiz_kernel_ext.protocol.options import PromptOptions
from wiz_kernel_ext.protocol.requests import Load, Prompt

TOLD_S = 12.0
"""What is asked for is 10: this machine is slow, and others compute on it too."""
ENDED_S = 3.0
BOUND_S = 4.0
ENDLESS = {"<|im_end|>": -1000.0, "<|endoftext|>": -1000.0}


@pytest.fixture
def hung_after_s() -> float:
    """After how long a worker without progress is ended; it is told in half that time."""
    return 6.0


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, hung_after_s: float) -> Iterator[Home]:
    """A home of a service with that bound."""
    home = Home.make(hung_after_s=hung_after_s)
    for name, value in home.environment.items():
        monkeypatch.setenv(name, value)
    try:
        yield home
    finally:
        for worker in home.workers():
            worker.send_signal(signal.SIGCONT)
        home.close()


@pytest.fixture
def switch(tmp_path: Path) -> Path:
    """A file that turns the engine's fault on."""
    return tmp_path / "now"


Break = Callable[[str, str], None]


@pytest.fixture
def broken(switch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Break:
    """Gives the engine a fault at a stage, in a way, from when the switch is there."""

    def break_it(stage: str, how: str) -> None:
        engine = FaultyEngine.make(tmp_path / "engine", Fault(stage, how, when=str(switch)))
        for name, value in engine.environment.items():
            monkeypatch.setenv(name, value)

    return break_it


@dataclass
class Watched:
    """An operation, and what it says, gathered as it comes."""

    operation: Operation
    events: list[AnyEvent] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._gather)
        self.thread.start()

    @classmethod
    def start(cls, client: Client, request: Prompt | Load) -> Watched:
        return cls(client.start(request))

    def _gather(self) -> None:
        try:
            for batch in self.operation.batches(0.02):
                self.events += batch
        except Exception:
            return

    def notices(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Notice)]

    def silences(self) -> list[str]:
        return [text for text in self.notices() if "no progress" in text]

    def told(self) -> str:
        """The first word of its being without progress."""
        wait(lambda: bool(self.silences()), TOLD_S)
        return self.silences()[0]

    def has(self, kind: type[AnyEvent]) -> bool:
        return any(isinstance(event, kind) for event in self.events)

    def reads(self) -> bool:
        return any(isinstance(e, Progress) and e.stage == "prompt" for e in self.events)

    def end(self) -> None:
        self.thread.join(20)
        assert not self.thread.is_alive()


def wait(condition: Callable[[], bool], within_s: float = 20.0) -> float:
    """Wait for it, and return how long that was."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < within_s, "it did not happen"
        time.sleep(0.02)
    return time.monotonic() - began


def ask(
    model: Path | str, text: str = "What is the capital of France?", max_tokens: int | None = None
) -> Prompt:
    """A prompt outside of any conversation; with `max_tokens` one that takes all of them."""
    options = PromptOptions(temperature=0.0)
    if max_tokens is not None:
        options = PromptOptions(temperature=0.0, max_tokens=max_tokens, logit_bias=ENDLESS)
    return Prompt(prompt=text, messages=[], model_path=str(model), autoload=True, options=options)


def worker_of(home: Home, client: Client, model: str) -> psutil.Process:
    (pid,) = [w.pid for w in client.status().workers if model in w.model_path]
    (worker,) = [worker for worker in home.workers() if worker.pid == pid]
    return worker


def loading(home: Home) -> psutil.Process:
    (worker,) = home.workers()
    return worker


def cancel(client: Client, watched: Watched) -> float:
    """How long its end took after a cancel."""
    began = time.monotonic()
    client.cancel(watched.operation.id)
    wait(lambda: watched.operation.state not in ("queued", "running"))
    watched.end()
    return time.monotonic() - began


@pytest.mark.parametrize("hung_after_s", [60.0])
def test_one_stopped_as_it_writes_is_seen_told_and_ended_by_a_cancel_and_others_go_on(
    home: Home, client: Client, slow_model: Path
) -> None:
    client.load(str(slow_model))
    prompt = Watched.start(client, ask(slow_model, "Go on.", 3000))
    wait(lambda: prompt.has(Delta))
    worker = worker_of(home, client, slow_model.name)
    worker.suspend()
    text = prompt.told()
    assert "it is stopped" in text
    assert f"`wiz cancel {prompt.operation.id}`" in text
    status = client.status()
    (info,) = status.workers
    assert info.silent_s >= 5
    assert "no progress for" in worker_table(status.workers).plain()
    (row,) = StatusRows().draw(status)["models"]
    assert "no progress for" in row["stays"]
    with closing(Client()) as other:
        assert "Paris" in other.start(ask("demo")).result(timeout_s=60)
        other.initialize()
    before = prompt.operation.text
    assert cancel(client, prompt) < ENDED_S
    answer = prompt.operation.result()
    assert (answer.finish_reason, str(answer)) == ("cancelled", before)
    wait(lambda: not worker.is_running())
    assert client.start(ask(slow_model, max_tokens=3)).result(timeout_s=60).usage.n_tokens == 3


def test_a_cancel_at_once_waits_for_no_notice(home: Home, client: Client, slow_model: Path) -> None:
    client.load(str(slow_model))
    prompt = Watched.start(client, ask(slow_model, "Go on.", 3000))
    wait(lambda: prompt.has(Delta))
    worker = worker_of(home, client, slow_model.name)
    worker.suspend()
    assert cancel(client, prompt) < ENDED_S
    wait(lambda: not worker.is_running())


@pytest.mark.parametrize("stage", ["load", "context", "reading", "writing", "idle"])
def test_one_that_goes_on_in_time_goes_on_as_if_nothing_was(
    home: Home, client: Client, slow_model: Path, stage: str, broken: Break, switch: Path
) -> None:
    if stage in ("load", "context"):
        broken(stage, "pause")
        client.load_model("demo")
        client.unload_model()
        switch.touch()
    else:
        client.load(str(slow_model))
    words = "a " * 1000 if stage == "reading" else "Go on."
    if stage == "idle":
        worker_of(home, client, slow_model.name).suspend()
    prompt = Watched.start(client, ask(slow_model, words, 40))
    if stage in ("load", "context"):
        wait(Path(f"{switch}.reached").exists, 60)
    elif stage != "idle":
        wait(prompt.reads if stage == "reading" else lambda: prompt.has(Delta))
    worker = loading(home)
    worker.suspend()
    prompt.told()
    worker.resume()
    answer = prompt.operation.result(timeout_s=60)
    prompt.end()
    assert answer.usage.n_tokens == 40
    assert client.status().workers[0].silent_s == 0
    assert worker.is_running()
    assert len(prompt.silences()) == 1


@pytest.mark.parametrize("stage", ["load", "context", "decode"])
@pytest.mark.parametrize("way", ["cancel", "unload"])
def test_a_load_or_a_step_without_end_is_told_and_ended(
    home: Home, client: Client, stage: str, way: str, broken: Break, switch: Path
) -> None:
    broken(stage, "hang")
    client.load("demo")
    if stage != "decode":
        client.unload_model()
    switch.touch()
    prompt = Watched.start(client, ask("demo"))
    wait(Path(f"{switch}.reached").exists, 60)
    worker = loading(home)
    if way == "cancel":
        prompt.told()
        assert cancel(client, prompt) < ENDED_S
        assert prompt.operation.state == "cancelled"
    else:
        assert "demo" in worker_table(client.status().workers).plain()
        with closing(Client()) as other:
            with pytest.raises(Conflict):
                other.unload_model("demo")
            began = time.monotonic()
            other.unload_model("demo", force=True)
        with pytest.raises(WorkerDied, match="unloaded"):
            prompt.operation.result(timeout_s=10)
        prompt.end()
        assert time.monotonic() - began < ENDED_S
    wait(lambda: not worker.is_running())
    switch.unlink()
    assert "Paris" in client.start(ask("demo")).result(timeout_s=60)


@pytest.mark.parametrize("hung_after_s", [BOUND_S])
@pytest.mark.parametrize("how", ["stopped", "hang", "spin"])
def test_after_a_bounded_time_it_is_ended_and_the_next_prompt_has_another(
    home: Home, client: Client, slow_model: Path, how: str, broken: Break, switch: Path
) -> None:
    if how != "stopped":
        broken("decode", how)
    client.load(str(slow_model))
    prompts = [Watched.start(client, ask(slow_model, f"Go on {n}.", 3000)) for n in range(3)]
    wait(lambda: all(prompt.has(Delta) for prompt in prompts))
    worker = worker_of(home, client, slow_model.name)
    if how == "stopped":
        worker.suspend()
    else:
        switch.touch()
    for prompt in prompts:
        assert "else it is ended in" in prompt.told()
    for prompt in prompts:
        with pytest.raises(WorkerHung, match="made no progress any more") as raised:
            prompt.operation.result(timeout_s=60)
        prompt.end()
        assert raised.value.details["stage"] == "prompt"
        assert prompt.operation.text, "what there was is kept"
        assert "run it again" in raised.value.hint
    wait(lambda: not worker.is_running())
    switch.unlink(missing_ok=True)
    answer = client.start(ask(slow_model, max_tokens=3)).result(timeout_s=60)
    assert answer.usage.n_tokens == 3


@pytest.mark.parametrize("hung_after_s", [BOUND_S])
@pytest.mark.parametrize("stage", ["load", "context"])
def test_a_load_that_hangs_is_ended_after_a_bounded_time(
    home: Home, client: Client, stage: str, broken: Break, switch: Path
) -> None:
    broken(stage, "hang")
    client.load_model("demo")
    client.unload_model()
    switch.touch()
    load = Watched.start(client, Load(model="demo"))
    with pytest.raises(WorkerHung) as raised:
        load.operation.result(timeout_s=60)
    load.end()
    assert raised.value.details["stage"] == stage
    wait(lambda: not home.workers())
    switch.unlink()
    assert "Paris" in client.start(ask("demo")).result(timeout_s=60)


@pytest.mark.parametrize("hung_after_s", [BOUND_S])
def test_an_idle_one_that_was_stopped_does_not_hold_up_the_next_prompt_for_ever(
    home: Home, client: Client
) -> None:
    client.load("demo")
    worker = loading(home)
    worker.suspend()
    time.sleep(2 * BOUND_S)
    assert worker.is_running(), "nobody asks it for anything"
    with pytest.raises(WorkerHung):
        client.start(ask("demo")).result(timeout_s=60)
    assert "Paris" in client.start(ask("demo")).result(timeout_s=60)


@pytest.mark.parametrize("hung_after_s", [0.0])
def test_without_the_bound_a_prompt_hangs_until_it_is_cancelled(home: Home, client: Client) -> None:
    client.load("demo")
    loading(home).suspend()
    prompt = Watched.start(client, ask("demo"))
    assert "else it is ended" not in prompt.told()
    time.sleep(2 * BOUND_S)
    assert prompt.operation.state == "running"
    assert cancel(client, prompt) < ENDED_S


def test_an_unload_of_one_that_was_stopped_does_not_wait(home: Home, client: Client) -> None:
    client.load("demo")
    worker = loading(home)
    worker.suspend()
    began = time.monotonic()
    client.unload_model()
    assert time.monotonic() - began < ENDED_S
    wait(lambda: not worker.is_running())


def test_a_load_cancelled_before_it_was_seen_to_hang_ends_too(
    home: Home, client: Client, broken: Break, switch: Path
) -> None:
    broken("load", "hang")
    client.load_model("demo")
    client.unload_model()
    switch.touch()
    load = Watched.start(client, Load(model="demo"))
    wait(Path(f"{switch}.reached").exists, 60)
    assert cancel(client, load) < ENDED_S
    with pytest.raises(OperationCancelled):
        load.operation.result()
    assert not client.status().workers


def test_one_stopped_as_it_starts_is_told_and_cancelled(home: Home, client: Client) -> None:
    load = Watched.start(client, Load(model="demo"))
    wait(lambda: bool(home.workers()))
    worker = loading(home)
    worker.suspend()
    if any(isinstance(event, Progress) and event.stage == "load" for event in load.events):
        pytest.skip("it was up already")
    wait(lambda: any("has not answered" in t or "no progress" in t for t in load.notices()), TOLD_S)
    assert cancel(client, load) < ENDED_S
    wait(lambda: not worker.is_running())
    assert "Paris" in client.start(ask("demo")).result(timeout_s=60)


def test_a_service_that_is_told_to_stop_does_not_wait_for_one_that_was_stopped(
    home: Home, client: Client
) -> None:
    client.load("demo")
    loading(home).suspend()
    prompt = Watched.start(client, ask("demo"))
    began = time.monotonic()
    client.stop()
    wait(lambda: not home.processes())
    prompt.end()
    assert time.monotonic() - began < 2 * ENDED_S


@pytest.mark.parametrize("hung_after_s", [BOUND_S])
@pytest.mark.parametrize("way", ["killed", "stopped"])
def test_each_that_waits_has_its_own_reason_and_who_comes_after_has_the_model_again(
    home: Home, client: Client, slow_model: Path, way: str
) -> None:
    """Two that are answered, two that wait for a sequence, and two for a turn in a conversation."""
    client.load(str(slow_model), sequences=2, session="mine")
    prompts = [Watched.start(client, ask(slow_model, f"Go on {n}.", 1000)) for n in range(4)]
    wait(lambda: sum(prompt.has(Delta) for prompt in prompts) == 2)
    turns = [
        Watched.start(client, Prompt(prompt=f"{n}", session="mine", autoload=True,
                                     options=PromptOptions(max_tokens=3)))
        for n in range(2)
    ]  # fmt: skip
    wait(lambda: client.status().workers[0].n_queued == 3)
    worker = worker_of(home, client, slow_model.name)
    if way == "killed":
        worker.kill()
    else:
        worker.suspend()
    kind, said = (WorkerDied, "SIGKILL") if way == "killed" else (WorkerHung, "no progress")
    for prompt in [*prompts, turns[0]]:
        with pytest.raises(kind, match=said):
            prompt.operation.result(timeout_s=60)
    # It had not begun: it is answered by the next worker.
    assert turns[1].operation.result(timeout_s=60).usage.n_tokens == 3
    assert client.status().workers[0].pid != worker.pid
    for prompt in [*prompts, *turns]:
        prompt.end()
