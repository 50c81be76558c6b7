"""An engine that is bad on this processor, met by the service, a notebook, a program, the tests."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import wiz_kernel_ext
from tests.support.faulty_engine import Fault, FaultyEngine
from tests.support.homes import Home
from tests.support.kernels import Kernel
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.errors import CrashRepeated, EngineUnusable, WorkerDied
from wiz_kernel_ext.protocol.events import Notice
from wiz_kernel_ext.protocol.options import PromptOptions
from wiz_kernel_ext.protocol.requests import LoadModel, Prompt

ROOT = Path(wiz_kernel_ext.__file__).parents[1]
NO_EXTRA = (("extra_buffers", False),)
CAPITAL = "What is the capital of France?"


def faulty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault) -> FaultyEngine:
    """The engine of every process started from now on."""
    engine = FaultyEngine.make(tmp_path / "engine", fault)
    for name, value in engine.environment.items():
        monkeypatch.setenv(name, value)
    return engine


def ask(model: str, prompt: str) -> Prompt:
    """A prompt outside of any conversation that loads its model where it is not loaded."""
    options = PromptOptions(temperature=0.0)
    return Prompt(prompt=prompt, messages=[], model_path=model, autoload=True, options=options)


def terminal(*words: str) -> subprocess.CompletedProcess[str]:
    """A command line's end."""
    command = [sys.executable, "-m", "wiz_kernel_ext", *words]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


def test_it_is_used_in_the_way_that_is_right_and_the_cell_says_so_once(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = faulty(tmp_path, monkeypatch, Fault("decode", "SIGSEGV", NO_EXTRA))
    kernel = Kernel(home.environment)
    try:
        kernel.run("%load_ext wiz_kernel_ext")
        loaded = kernel.run("%wiz_load demo")
        assert loaded.status == "ok", loaded
        said = loaded.shown[-1]
        assert "was killed by SIGSEGV at its first decode" in said
        assert "used without extra buffers" in said
        assert "%wiz_doctor --rebuild" in said
        answer = kernel.run("%wiz_prompt What is the capital of France? --temperature 0")
        assert "Paris" in answer.answer, answer
        assert "SIGSEGV" not in "".join(answer.shown)
        status = kernel.run("%wiz_status")
        assert "used without extra buffers: %wiz_doctor" in "".join(status.shown)
        again = kernel.run("%wiz_load demo --reload")
        assert again.status == "ok"
        assert "SIGSEGV" not in "".join(again.shown)
        # A look, two tries and two workers: what is known is not tried again.
        assert engine.n_imports == 5
        doctor = kernel.run("%wiz_doctor")
        assert "tried      as it is: was killed by SIGSEGV at its first decode" in doctor.text
        assert "tried      without extra buffers: answered right" in doctor.text
        assert "%wiz_doctor --rebuild" in doctor.text
    finally:
        kernel.close()


def test_a_terminal_is_told_on_standard_error(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faulty(tmp_path, monkeypatch, Fault("decode", "SIGILL", NO_EXTRA))
    words = ["prompt", "--model", "demo", "--temperature", "0", CAPITAL]
    asked = terminal(*words)
    assert asked.returncode == 0, asked.stderr
    assert "Paris" in asked.stdout
    assert "was killed by SIGILL" in asked.stderr
    assert "jupyter wiz doctor --rebuild builds it anew" in asked.stderr
    status = terminal("status")
    assert "used without extra buffers: jupyter wiz doctor" in status.stdout


def test_the_doctor_fails_where_nothing_works_and_says_what_next(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faulty(tmp_path, monkeypatch, Fault("decode", "wrong"))
    found = terminal("doctor")
    assert found.returncode == 1
    assert found.stdout.count("which is wrong") == 4
    assert "jupyter wiz doctor --rebuild builds it anew" in found.stdout


def test_where_no_way_is_right_a_typed_error_says_what_next_and_no_worker_is_started(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: Client
) -> None:
    engine = faulty(tmp_path, monkeypatch, Fault("load", "SIGILL"))
    with pytest.raises(EngineUnusable, match="SIGILL as it loaded a model") as raised:
        client.load_model("demo")
    assert "another processor" in raised.value.details["suspected"]
    assert "doctor --rebuild" in raised.value.hint
    n_tried = engine.n_imports
    for _ in range(3):
        with pytest.raises(EngineUnusable):
            client.load_model("demo")
    assert engine.n_imports == n_tried
    assert not home.workers()
    found = client.status().service.engine
    assert found is not None
    assert found.way == "unusable"


def test_a_build_that_was_replaced_is_tried_anew_by_the_running_service(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: Client
) -> None:
    engine = faulty(tmp_path, monkeypatch, Fault("decode", "SIGABRT"))
    with pytest.raises(EngineUnusable, match="SIGABRT"):
        client.load_model("demo")
    package = engine.folder / "llama_cpp"
    whole = package / "__init__.py"
    whole.write_text(whole.read_text().replace('"SIGABRT"', '"nothing"'))
    (package / "lib" / "libllama.so").write_text("another build")
    assert "Paris" in str(client.start(ask("demo", CAPITAL)).result())


def test_a_crash_that_repeats_is_told_and_the_third_try_is_not_made_by_itself(
    home: Home,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    client: Client,
    slow_model: Path,
) -> None:
    # The engine is right, by the model it is tried with; this one crashes in it.
    faulty(tmp_path, monkeypatch, Fault("decode", "SIGSEGV", model=slow_model.name))
    hello = ask(str(slow_model), "Hello")
    with pytest.raises(WorkerDied, match="SIGSEGV") as first:
        client.start(hello).result()
    assert "run it again" in first.value.hint
    with pytest.raises(WorkerDied, match="at the same place before") as second:
        client.start(hello).result()
    assert "run it again" not in second.value.hint
    assert "doctor" in second.value.hint
    for _ in range(2):
        with pytest.raises(CrashRepeated, match="2 times in a row") as third:
            client.start(hello).result()
        assert "run it again" not in third.value.hint
    assert not home.workers()
    assert "Paris" in str(client.start(ask("demo", CAPITAL)).result())
    # Whoever asks for it by name gets his try, and the count goes on.
    client.load_model(str(slow_model))
    with pytest.raises(WorkerDied, match="at the same place before"):
        client.start(hello).result()
    with pytest.raises(CrashRepeated, match="3 times in a row"):
        client.start(hello).result()


def test_a_load_that_crashes_twice_does_not_say_run_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: Client, slow_model: Path
) -> None:
    faulty(tmp_path, monkeypatch, Fault("load", "SIGILL", model=slow_model.name))
    hints = []
    for _ in range(3):
        with pytest.raises(WorkerDied, match="SIGILL") as raised:
            client.load_model(str(slow_model))
        hints.append(raised.value.hint)
        libraries = [path.rpartition("/")[2] for path in raised.value.details["libraries"]]
        assert {"libllama.so", "libstdc++.so.6"} <= {name[:14].rstrip(".") for name in libraries}
        assert "libstdc++" in raised.value.message
    assert ["run it again" in hint for hint in hints] == [True, False, False]


IN_PROCESS = """
    import asyncio, logging, sys
    {first}
    from wiz_kernel_ext import LlamaWorker
    from wiz_kernel_ext.errors import EngineUnusable

    async def main():
        worker = await LlamaWorker.create()
        await worker.load_model("demo")
        await worker.create_context()
        await worker.initialize_session()
        print(await worker.prompt("What is the capital of France?", temperature=0.0))
        await worker.close()

    try:
        asyncio.run(main())
    except EngineUnusable as error:
        print("unusable:", error.details["suspected"], "->", error.hint)
        assert "llama_cpp" not in sys.modules
"""


IN_CHILD = """
    import asyncio, os, signal, sys
    import zmq
    from wiz_kernel_ext import LlamaWorker
    from wiz_kernel_ext.errors import ServiceStopping, WorkerDied
    from wiz_kernel_ext.protocol.options import PromptOptions
    from wiz_kernel_ext.protocol.requests import Prompt

    NEVER = {"<|im_end|>": -1000.0, "<|endoftext|>": -1000.0}
    LONG = Prompt(prompt="Go on.", options=PromptOptions(logit_bias=NEVER))

    async def main():
        worker = await LlamaWorker.create()
        await worker.load_model("demo")
        await worker.create_context()
        await worker.initialize_session()
        operation = await worker.start(LONG)
        async for delta in operation:
            operation.cancel()
            break
        assert await operation.result()
        print(operation.state)
        said = await worker.prompt("What is the capital of France?", temperature=0.0)
        print("Paris" if "Paris" in said else said)
        child = worker._child.pid
        operation = await worker.start(LONG)
        os.kill(child, signal.Signals[sys.argv[1]])
        if sys.argv[1] != "SIGSTOP":
            try:
                await operation.result()
            except WorkerDied as error:
                assert sys.argv[1] in error.message, error
        await worker.close()
        await worker.close()
        try:
            await worker.load_model("demo")
        except ServiceStopping:
            print("closed")
        assert not os.path.exists(f"/proc/{child}")
        assert "llama_cpp" not in sys.modules

    asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("fault", "first", "said"),
    [
        (Fault("decode", "SIGSEGV", NO_EXTRA), "", "Paris"),
        (Fault("decode", "SIGSEGV"), "", "libggml-cpu"),
        (Fault("load", "SIGSEGV"), "import zmq", "unusable: lib"),
        (Fault("load", "SIGSEGV", (("sockets_first", False),)), "import zmq", "Paris"),
        (Fault("load", "SIGSEGV", (("sockets_first", False),)), "", "Paris"),
    ],
    ids=["in another way", "not at all", "nor after libzmq", "in a child after libzmq", "before"],
)
def test_in_a_program_it_is_tried_before_it_is_loaded(
    home: Home,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: Fault,
    first: str,
    said: str,
) -> None:
    faulty(tmp_path, monkeypatch, fault)
    code = textwrap.dedent(IN_PROCESS).format(first=first)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    assert said in done.stdout


@pytest.mark.parametrize("how", ["SIGSEGV", "SIGSTOP"])
def test_an_engine_in_a_child_is_cancelled_and_its_death_is_told(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    faulty(tmp_path, monkeypatch, Fault("load", "SIGSEGV", (("sockets_first", False),)))
    code = textwrap.dedent(IN_CHILD)
    done = subprocess.run(
        [sys.executable, "-c", code, how], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["cancelled", "Paris", "closed"], done.stderr
    assert "a process of its own: after libzmq" in done.stderr


@pytest.mark.parametrize("unless", [NO_EXTRA, ()], ids=["another way", "no way"])
def test_the_tests_begin_with_one_clear_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unless: tuple[tuple[str, bool], ...]
) -> None:
    faulty(tmp_path, monkeypatch, Fault("decode", "SIGSEGV", unless))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "tests/engine/llama/test_backend.py"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 4
    said = done.stdout + done.stderr
    assert "was killed by SIGSEGV at its first decode" in said
    assert "doctor --rebuild" in said
    assert "Fatal" not in said
    assert "passed" not in said


def test_a_load_says_nothing_of_an_engine_that_is_right(home: Home, client: Client) -> None:
    operation = client.start(LoadModel(model_path="demo"))
    events = [event for batch in operation.batches(0.05) for event in batch]
    assert not [event for event in events if isinstance(event, Notice)]
    engine = client.status().service.engine
    assert engine is not None
    assert engine.is_plain
