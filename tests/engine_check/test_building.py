"""How the engine is built: with which flags, from what, and what is done where a build is bad."""

from __future__ import annotations

import argparse
import asyncio
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from wiz_kernel_ext.cli import doctor
from wiz_kernel_ext.engine.way import AS_IT_IS, Way
from wiz_kernel_ext.engine_check import building, rebuild
from wiz_kernel_ext.engine_check.building import RECIPES, BuildFailed, environment, install
from wiz_kernel_ext.engine_check.rebuild import rebuilt
from wiz_kernel_ext.engine_check.verdict import Trial, Verdict
from wiz_kernel_ext.errors import EngineUnusable

NATIVE, NO_AMX, PORTABLE = RECIPES


def compiler(folder: Path, *, refuses: str = "never") -> str:
    """A compiler that takes every flag but one."""
    script = folder / "cc"
    script.write_text(f'#!/bin/sh\ncase "$*" in *{refuses}*) exit 1;; esac\nexit 0\n')
    script.chmod(0o755)
    return str(script)


def test_both_compilers_get_the_flags_and_the_users_own_come_first(tmp_path: Path) -> None:
    cc = compiler(tmp_path)
    base = {"CC": cc, "CXX": cc, "CFLAGS": "-O2", "CMAKE_ARGS": "-DGGML_CUDA=on", "PATH": "/bin"}
    made = environment(NATIVE, base)
    assert made["CFLAGS"] == "-O2 -fno-dse -fno-tree-dse"
    assert made["CXXFLAGS"] == "-fno-dse -fno-tree-dse"
    assert shlex.split(made["CMAKE_ARGS"]) == ["-DLLAVA_BUILD=OFF", "-DGGML_CUDA=on"]
    assert int(made["CMAKE_BUILD_PARALLEL_LEVEL"]) >= 1
    assert made["PATH"] == "/bin"
    assert (
        environment(NATIVE, {**base, "CMAKE_BUILD_PARALLEL_LEVEL": "3"})[
            "CMAKE_BUILD_PARALLEL_LEVEL"
        ]
        == "3"
    )


def test_a_safer_recipe_leaves_amx_out_and_then_what_is_this_processors_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cc = compiler(tmp_path)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    made = environment(NO_AMX, {"CC": cc, "CXX": cc})
    for variable in ("CFLAGS", "CXXFLAGS"):
        assert made[variable].endswith("-mno-amx-tile -mno-amx-int8 -mno-amx-bf16")
    assert "GGML_NATIVE" not in made["CMAKE_ARGS"]
    # Ours last here: it is what was asked for now.
    made = environment(PORTABLE, {"CC": cc, "CXX": cc, "CMAKE_ARGS": "-DGGML_NATIVE=ON"})
    assert made["CMAKE_ARGS"].endswith("-DGGML_NATIVE=ON -DGGML_NATIVE=OFF")


def test_a_flag_that_the_compiler_does_not_know_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cc = compiler(tmp_path, refuses="tree-dse")
    made = environment(NATIVE, {"CC": cc, "CXX": str(tmp_path / "nowhere")})
    assert made["CFLAGS"] == "-fno-dse"
    assert made["CXXFLAGS"] == ""
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    cc = compiler(tmp_path)
    assert "amx" not in environment(NO_AMX, {"CC": cc, "CXX": cc})["CFLAGS"]


@pytest.fixture
def pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Replaces pip: it runs the shell lines given, and writes down what it was called with."""

    def make(lines: str) -> Path:
        script = tmp_path / "python"
        script.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n{lines}\n')
        script.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(script))
        return tmp_path / "calls"

    return make


def test_it_says_how_far_the_compiler_is_and_whether_there_was_one(
    pip: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(building, "HEARTBEAT_S", 0.2)
    said: list[str] = []
    calls = pip(
        'echo "  Building wheel for llama-cpp-python (pyproject.toml): started"\n'
        'echo "  [7/140] Building CXX object x.o"; sleep 1'
    )
    assert install(["x"], NATIVE, say=said.append)
    assert "compiling 7 of 140" in said[0]
    assert calls.read_text().startswith("-m pip install ")
    pip('echo "Using cached llama_cpp_python-0.3.36-py3-none-linux_x86_64.whl"')
    assert not install(["x"], NATIVE, say=said.append)


def test_a_build_that_breaks_off_is_told_with_pips_last_lines(pip: Callable[[str], Path]) -> None:
    pip('echo "error: no compiler" >&2; exit 1')
    with pytest.raises(BuildFailed, match="no compiler"):
        install(["x"], NATIVE)


def verdict(*trials: Trial) -> Verdict:
    return Verdict(build="1", processor="2", sockets_first=False, trials=list(trials))


RIGHT = verdict(Trial(way=AS_IT_IS, outcome="right"))
DEAD = Trial(way=AS_IT_IS, outcome="died", stage="decode", signal="SIGILL")
SLOWER = verdict(DEAD, Trial(way=Way(extra_buffers=False), outcome="right"))


@pytest.mark.parametrize(
    ("verdicts", "n_builds"), [([RIGHT], 1), ([SLOWER, RIGHT], 2), ([SLOWER, verdict(DEAD)] * 2, 3)]
)
async def test_it_is_built_ever_safer_until_it_is_right_as_it_is(
    tmp_path: Path,
    pip: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    verdicts: list[Verdict],
    n_builds: int,
) -> None:
    calls = pip("")
    left = list(verdicts)

    async def checked(data_dir: Path, *, anew: bool) -> Verdict:
        assert anew
        return left.pop(0)

    monkeypatch.setattr(rebuild, "checked", checked)
    said: list[str] = []
    found = await rebuilt(tmp_path, say=said.append)
    assert found == verdicts[n_builds - 1]
    installs = [line for line in calls.read_text().splitlines() if " install " in line]
    assert len(installs) == n_builds
    assert all("--no-binary llama-cpp-python" in line for line in installs)
    assert all("llama-cpp-python==" in line for line in installs)
    # A bad wheel in pip's cache is not to come back.
    assert calls.read_text().count("cache remove llama_cpp_python-*") == n_builds
    assert ("the engine is right" in said) == (found == RIGHT)
    if n_builds > 1:
        assert "the engine was killed by SIGILL at its first decode" in said


async def test_what_cannot_be_built_is_a_typed_error(
    tmp_path: Path, pip: Callable[[str], Path]
) -> None:
    pip('echo "CMake Error: no C++ compiler"; exit 1')
    with pytest.raises(EngineUnusable, match=r"cannot be built .*no C\+\+ compiler") as raised:
        await rebuilt(tmp_path, say=lambda text: None)
    assert "compiler" in raised.value.hint


def test_the_flags_are_found_without_the_package() -> None:
    code = "import sys; sys.path.insert(0, sys.argv[1]); import building; print(building.RECIPES)"
    folder = str(Path(building.__file__).parent)
    done = subprocess.run(
        [sys.executable, "-S", "-I", "-c", code, folder], capture_output=True, text=True
    )
    assert "-fno-dse" in done.stdout, done.stderr


async def test_where_no_build_is_right_the_doctor_does_not_advise_to_build_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def checked(data_dir: Path, *, anew: bool) -> Verdict:
        return verdict(DEAD)

    async def rebuilt(data_dir: Path, **_: object) -> Verdict:
        return verdict(DEAD)

    monkeypatch.setattr(doctor, "checked", checked)
    monkeypatch.setattr(doctor, "rebuilt", rebuilt)
    arguments = argparse.Namespace(rebuild=True, safer=False, read_in="python")
    with pytest.raises(EngineUnusable, match="SIGILL") as raised:
        await asyncio.to_thread(doctor.run, arguments)
    assert "--rebuild" not in raised.value.hint
    assert "every way" in raised.value.hint
