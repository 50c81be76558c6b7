"""llama-cpp-python is missing or cannot be loaded: said at once, and nobody else suffers."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.environments import Environment, break_engine, make_environment
from tests.support.homes import Home

ASK = (
    'client.load_model("demo"); client.create_context(); client.initialize_session()\n'
    'assert client.prompt("Hello", temperature=0)\n'
)
LOAD = """
from wiz_kernel_ext.errors import EngineUnusable
for _ in range(2):
    try:
        client.load("demo")
    except EngineUnusable as error:
        print(error, "->", error.hint)
"""
IN_PROCESS = """
import asyncio, threading
from wiz_kernel_ext import LlamaWorker
from wiz_kernel_ext.errors import EngineUnusable

async def main():
    try:
        await LlamaWorker.create()
    except EngineUnusable as error:
        print(error, "->", error.hint)

asyncio.run(main())
assert threading.active_count() == 1
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("environments")


@pytest.fixture(scope="module")
def whole(folder: Path) -> Environment:
    return make_environment(folder / "whole")


@pytest.fixture(scope="module")
def missing(folder: Path) -> Environment:
    return make_environment(folder / "missing", engine=False)


@pytest.fixture(scope="module")
def broken(folder: Path) -> Environment:
    environment = make_environment(folder / "broken")
    break_engine(environment)
    return environment


def settled(home: Home, environment: Environment, timeout_s: float = 20.0) -> None:
    """Wait until the service of `environment` knows that its engine is of no use."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if '"has_engine":false' in home.places.connection_file.read_text():
            return
        time.sleep(0.05)
    raise AssertionError(home.log())


def test_a_missing_engine_is_said_in_the_first_message_and_by_every_load(
    home: Home, missing: Environment
) -> None:
    seen = missing.run(home, "client.initialize()" + LOAD)
    assert seen.err.count("No model can be loaded") == 1
    assert f"{missing.python} -m pip install llama-cpp-python" in seen.err
    assert len(seen.out) == 2
    for line in seen.out:
        assert "is not installed" in line
        assert "pip install llama-cpp-python" in line
    assert not home.workers()


def test_an_engine_that_cannot_be_loaded_is_told_in_its_own_words(
    home: Home, broken: Environment
) -> None:
    seen = broken.run(home, LOAD)
    assert len(seen.out) == 2
    for line in seen.out:
        assert "cannot be loaded: " in line
        assert "libggml-cpu.so" in line
        assert "No such file or directory" in line
        assert "pip install --force-reinstall" in line
        assert "un it again" not in line
    settled(home, broken)
    assert "No model can be loaded" in broken.run(home).err
    assert not home.workers()


@pytest.mark.parametrize("which", ["missing", "broken"])
def test_in_process_it_is_the_same_typed_error_and_the_program_ends_well(
    home: Home, which: str, request: pytest.FixtureRequest
) -> None:
    environment: Environment = request.getfixturevalue(which)
    done = subprocess.run(
        [environment.python, "-c", IN_PROCESS],
        capture_output=True,
        text=True,
        cwd=environment.folder,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "llama-cpp-python, the engine, is" in done.stdout
    assert {"missing": "not installed", "broken": "libggml-cpu.so"}[which] in done.stdout


@pytest.mark.parametrize("how", ["it was asked to load", "nobody asked it to load"])
def test_whose_engine_is_broken_makes_room_for_one_whose_engine_works(
    home: Home, broken: Environment, whole: Environment, how: str
) -> None:
    first = broken.run(home, LOAD if how == "it was asked to load" else "")
    settled(home, broken)
    taken = whole.run(home, ASK).last
    assert (taken["executable"], taken["pid"] != first.last["pid"]) == (whole.python, True)
    # And does not take it back: it shares what works, and starts that one again.
    assert broken.run(home, ASK).last["workers"] == taken["workers"]
    for service in home.services():
        service.terminate()
        service.wait(10)
    assert broken.run(home, ASK).last["executable"] == whole.python


def test_two_broken_ones_do_not_replace_each_other_in_turn(
    home: Home, folder: Path, broken: Environment
) -> None:
    other = make_environment(folder / "other")
    break_engine(other)
    pids = []
    for environment in (broken, other, broken, other, broken):
        pids.append(environment.run(home, LOAD).last["pid"])
        settled(home, environment)
    assert len(set(pids)) <= 2
    assert len(set(pids[1:])) == 1


def test_an_engine_that_was_mended_is_used_by_the_service_that_runs(
    home: Home, tmp_path: Path
) -> None:
    environment = make_environment(tmp_path / "mended")
    real = break_engine(environment)
    first = environment.run(home, LOAD).last
    settled(home, environment)
    for library in real.glob("libggml-cpu.so*"):
        (target,) = environment.folder.glob("lib/python*/site-packages/llama_cpp/lib")
        shutil.copy(library, target)
    mended = environment.run(home, ASK)
    assert mended.last["pid"] == first["pid"]
    assert '"has_engine":true' in home.places.connection_file.read_text()
