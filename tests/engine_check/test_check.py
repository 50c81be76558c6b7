"""Every way an engine can fail, in a real child process, and the way that is found around it."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

import tests
from tests.support.faulty_engine import Fault, FaultyEngine
from wiz_kernel_ext.engine.way import AS_IT_IS, Way
from wiz_kernel_ext.engine_check import check
from wiz_kernel_ext.engine_check.build import EngineBuild, engine_build
from wiz_kernel_ext.engine_check.check import checked, try_ways, ways
from wiz_kernel_ext.engine_check.diagnosis import notice, suspected, usable
from wiz_kernel_ext.engine_check.processor import Processor
from wiz_kernel_ext.engine_check.verdict import Trial, Verdict
from wiz_kernel_ext.errors import EngineUnusable, WorkerDied

STUB = Path(__file__).with_name("stub_probe.py")
HANG_S = 5.0
PLAIN = Processor("A processor", frozenset({"avx2"}), "a")
AMX = Processor("Another", frozenset({"avx2", "amx_tile"}), "b")


@pytest.fixture
def build(tmp_path: Path) -> EngineBuild:
    return EngineBuild(tmp_path, ((tmp_path / "libllama.so", 1, 1),))


@pytest.fixture
def build_for_cards(tmp_path: Path) -> EngineBuild:
    return EngineBuild(tmp_path, ((tmp_path / "libggml-cuda.so", 1, 1),))


async def tried(
    build: EngineBuild,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
    how: str,
    *,
    sockets_first: bool = False,
    **unless: bool,
) -> list[Trial]:
    """The trials of a stub engine with that fault."""
    monkeypatch.setenv("PYTHONPATH", str(Path(tests.__path__[0]).parent))
    fault = json.dumps({"stage": stage, "how": how, "unless": unless})
    command = [sys.executable, str(STUB), fault]
    # The hanging ones alone are timed: a slow machine is to fail no other. Where all of them hang
    # there is none that must be in time.
    timeout_s = (HANG_S if unless else HANG_S / 5) if how == "hang" else 60.0
    return await try_ways(build, command=command, timeout_s=timeout_s, sockets_first=sockets_first)


def verdict_of(trials: list[Trial], *, sockets_first: bool = False) -> Verdict:
    return Verdict(build="1", processor="2", sockets_first=sockets_first, trials=trials)


DEATHS = ("SIGSEGV", "SIGILL", "SIGABRT", "hang")
PLACES = ("load", "context", "decode")


@pytest.mark.parametrize(
    ("stage", "how"), [*itertools.product(PLACES, DEATHS), ("decode", "wrong")]
)
async def test_where_the_plain_way_fails_the_next_is_found(
    build: EngineBuild, monkeypatch: pytest.MonkeyPatch, stage: str, how: str
) -> None:
    trials = await tried(build, monkeypatch, stage, how, extra_buffers=False)
    preloaded = [Way(system_cxx=True)] if stage == "load" and how.startswith("SIG") else []
    assert [trial.way for trial in trials] == [AS_IT_IS, *preloaded, Way(extra_buffers=False)]
    outcome = {"hang": "hung", "wrong": "wrong"}.get(how, "died")
    assert (trials[0].outcome, trials[0].stage) == (outcome, stage)
    assert trials[0].signal == (how if how.startswith("SIG") else "")
    verdict = verdict_of(trials)
    assert verdict.way == Way(extra_buffers=False)
    assert not verdict.is_plain
    assert verdict.is_lasting
    said = notice(verdict, PLAIN)
    assert "without extra buffers" in said
    assert "`wiz doctor --rebuild`" in said


@pytest.mark.parametrize(
    "unless",
    [
        {"one_thread": True},
        {"extra_buffers": False, "one_thread": True},
        {"gpu": False},
        {"gpu": False, "extra_buffers": False},
        {"gpu": False, "extra_buffers": False, "one_thread": True},
    ],
    ids=lambda unless: "+".join(unless),
)
async def test_every_fallback_is_the_first_that_is_right(
    build_for_cards: EngineBuild, monkeypatch: pytest.MonkeyPatch, unless: dict[str, Any]
) -> None:
    trials = await tried(build_for_cards, monkeypatch, "decode", "SIGSEGV", **unless)
    assert verdict_of(trials).way == Way(**unless)
    assert all(trial.outcome == "died" for trial in trials[:-1])


@pytest.mark.parametrize("stage", ["import", "load"])
async def test_a_second_cxx_library_in_the_build_is_outdone_by_the_systems(
    build: EngineBuild, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    trials = await tried(build, monkeypatch, stage, "SIGSEGV", system_cxx=True)
    assert [trial.way for trial in trials] == [AS_IT_IS, Way(system_cxx=True)]
    verdict = verdict_of(trials)
    assert "a second C++ library" in suspected(verdict, PLAIN)
    assert "used with the system's libstdc++" in notice(verdict, PLAIN)


async def test_in_a_process_that_runs_already_no_library_can_be_put_first(
    build: EngineBuild, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = await tried(build, monkeypatch, "load", "SIGSEGV", sockets_first=True)
    assert [trial.way for trial in trials] == list(ways(cards=False))


@pytest.mark.parametrize("how", ["SIGSEGV", "SIGILL", "SIGABRT", "wrong", "hang"])
async def test_where_no_way_is_right_the_error_names_what_and_what_next(
    build: EngineBuild, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    trials = await tried(build, monkeypatch, "decode", how)
    assert [trial.way for trial in trials] == list(ways(cards=False))
    verdict = verdict_of(trials)
    assert verdict.way is None
    assert verdict.is_lasting
    with pytest.raises(EngineUnusable) as raised:
        usable(verdict, PLAIN)
    error = raised.value
    assert error.details["signal"] == (how if how.startswith("SIG") else "")
    assert error.details["stage"] == "decode"
    assert "A processor" in error.message
    assert {"hang": "gave no answer"}.get(how, how) in error.message
    assert "libggml-cpu" in error.details["suspected"]
    assert "doctor --rebuild" in error.hint
    assert "again" not in error.hint


async def test_a_refusal_or_a_lack_of_memory_is_no_verdict_for_ever(
    build: EngineBuild, monkeypatch: pytest.MonkeyPatch
) -> None:
    for how in ("SIGKILL", "refuse"):
        trials = await tried(build, monkeypatch, "load", how)
        assert {trial.outcome for trial in trials} == {"died" if how == "SIGKILL" else "refused"}
        assert not verdict_of(trials).is_lasting
    assert "not enough of it" in trials[0].words
    memory = verdict_of([Trial(way=AS_IT_IS, outcome="died", stage="load", signal="SIGKILL")])
    with pytest.raises(EngineUnusable) as raised:
        usable(memory, PLAIN)
    assert "memory" in raised.value.hint


def test_what_is_suspected_follows_from_what_helped() -> None:
    def of(processor: Processor = PLAIN, first: bool = False, **facts: Any) -> str:
        way = facts.pop("right", None)
        trials = [Trial(way=AS_IT_IS, outcome="died", **facts)]
        trials += [Trial(way=way, outcome="right")] if way else []
        return suspected(verdict_of(trials, sockets_first=first), processor)

    no_extra = Way(extra_buffers=False)
    assert "AMX" in of(AMX, stage="decode", signal="SIGSEGV", right=no_extra)
    assert "AMX" in of(AMX, stage="decode", signal="SIGSEGV")
    assert "AMX" not in of(stage="decode", signal="SIGSEGV", right=no_extra)
    assert "repacked" in of(stage="decode", signal="SIGSEGV", right=no_extra)
    assert "another processor" in of(AMX, stage="decode", signal="SIGILL")
    assert "AMX" in of(AMX, stage="decode", signal="SIGILL", right=no_extra)
    assert "another processor" in of(stage="decode", signal="SIGILL", right=no_extra)
    assert "GPU" in of(AMX, stage="decode", signal="SIGSEGV", right=Way(gpu=False))
    assert "libgomp" in of(AMX, stage="decode", signal="SIGSEGV", right=Way(one_thread=True))
    assert "libzmq" in of(stage="load", signal="SIGSEGV", first=True)


async def test_a_check_called_off_leaves_no_process(
    build: EngineBuild, monkeypatch: pytest.MonkeyPatch
) -> None:
    children = set(psutil.Process().children())
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(tried(build, monkeypatch, "decode", "hang"), 1.0)
    assert not set(psutil.Process().children()) - children


async def test_a_verdict_is_kept_for_its_build_and_processor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await checked(tmp_path)
    assert first.is_plain, "this very build is right: see conftest.py"
    assert (tmp_path / check.FILE_NAME).stat().st_mode & 0o777 == 0o600

    async def not_tried(*_: Any, **__: Any) -> list[Trial]:
        raise AssertionError("tried again")

    monkeypatch.setattr(check, "try_ways", not_tried)
    assert await checked(tmp_path) == first
    with pytest.raises(AssertionError, match="tried again"):
        await checked(tmp_path, sockets_first=True)
    with pytest.raises(AssertionError, match="tried again"):
        await checked(tmp_path, anew=True)
    monkeypatch.setattr(check, "this_processor", lambda: AMX)
    with pytest.raises(AssertionError, match="tried again"):
        await checked(tmp_path)


async def test_a_kept_verdict_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    file = tmp_path / check.FILE_NAME
    for damaged in (b"", b"{", b'{"digests": 3}', b"\xff\xfe", b'{"verdicts": {"a": {}}}'):
        file.write_bytes(damaged)
        assert (await checked(tmp_path)).is_plain
    file.unlink()
    file.mkdir()  # nor written
    assert (await checked(tmp_path)).is_plain


async def test_no_process_at_all_is_a_typed_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(WorkerDied, match="no process can be started"):
        await try_ways(engine_build(), command=[str(tmp_path / "nowhere")])


@pytest.mark.parametrize(
    ("fault", "way"),
    [
        (Fault("decode", "SIGSEGV", (("extra_buffers", False),)), Way(extra_buffers=False)),
        (Fault("decode", "wrong", (("one_thread", True),)), Way(one_thread=True)),
        (Fault("load", "SIGSEGV", (("gpu", False),), cards=True), Way(gpu=False)),
        (Fault("import", "SIGILL"), None),
    ],
    ids=["extra buffers", "threads", "card", "none"],
)
async def test_the_real_engine_is_used_in_the_way_that_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Fault, way: Way | None
) -> None:
    engine = FaultyEngine.make(tmp_path / "engine", fault)
    monkeypatch.syspath_prepend(str(engine.folder))
    monkeypatch.delitem(sys.modules, "llama_cpp")  # else that is what would be used here
    monkeypatch.setenv("PYTHONPATH", str(engine.folder))
    verdict = await checked(tmp_path / "data")
    assert verdict.way == way
    n_tried = engine.n_imports
    assert n_tried == len(verdict.trials)
    assert await checked(tmp_path / "data") == verdict
    assert engine.n_imports == n_tried
