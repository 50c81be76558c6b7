"""`jupyter wiz` as its own process, against a real service."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.homes import Home
from tests.support.tiny_gguf import Shape, write_tiny_gguf
from wiz_kernel_ext.client import Client

SHAPE = Shape(n_layers=12, width=256, n_heads=4, n_ffn=768, n_vocab=4096, quantization="Q8_0")
ENDLESS = ("--logit-bias=<|im_end|>=-1000", "--logit-bias=<|endoftext|>=-1000")


@pytest.fixture(scope="module")
def here() -> Iterator[Home]:
    """One service for this module, with a model in its models directory."""
    here = Home.make()
    here.places.models_dir.mkdir(parents=True)
    write_tiny_gguf(here.places.models_dir / "tiny.gguf", SHAPE)
    yield here
    here.close()


def wiz(
    here: Home, *arguments: str, text: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run `jupyter wiz` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "wiz_kernel_ext", *arguments],
        env={**os.environ, **here.environment, **environment}, input=text, capture_output=True,
        encoding="utf-8", errors="replace", timeout=60, check=False,
    )  # fmt: skip


def test_without_a_service_every_look_says_so_and_exits_with_3_and_starts_none(home: Home) -> None:
    for command in (
        *(["status"], ["status", "--json"], ["unload"], ["stop"], ["logs"]),
        *(["count", "x"], ["show", "x"]),
    ):
        ran = wiz(home, *command)
        assert ran.returncode == 3, command
        assert ran.stdout == ""
        what, next_step = ran.stderr.splitlines()
        assert what.startswith("ServiceNotRunning: ")
        assert next_step.startswith("→ ")
    assert home.processes() == []


def test_wrong_usage_exits_with_2_in_two_lines(here: Home) -> None:
    ran = wiz(here, "prompt", "--temprature", "1", "Hi")
    assert ran.returncode == 2
    assert ran.stderr.splitlines() == [
        "BadRequest: Unknown option --temprature.",
        "→ Did you mean --temperature? --help lists the options.",
    ]


def test_a_failure_exits_with_1_in_two_lines(here: Home) -> None:
    ran = wiz(here, "prompt", "--model", "nowhere.gguf", "Hi")
    assert ran.returncode == 1
    assert len(ran.stderr.splitlines()) == 2
    assert ran.stderr.startswith("ModelFileNotFound: ")


def test_a_prompt_streams_to_standard_output_and_keeps_nothing(here: Home) -> None:
    ran = wiz(here, "prompt", "--model", "tiny.gguf", "--seed", "1", "--max-tokens", "9", *ENDLESS,
              "Hello", "there")  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.endswith("\n")
    assert len(ran.stdout) > 1
    piped = wiz(here, "prompt", "--seed", "1", "--max-tokens", "9", *ENDLESS, text="Hello there\n")
    assert piped.stdout == ran.stdout
    status = json.loads(wiz(here, "status", "--json").stdout)
    assert status["sessions"] == []


def test_a_session_is_gone_on_with(here: Home) -> None:
    for n_messages in (2, 4):
        ran = wiz(here, "prompt", "--session", "notes", "--max-tokens", "3", *ENDLESS, "Hi")
        assert ran.returncode == 0, ran.stderr
        (session,) = json.loads(wiz(here, "status", "--json").stdout)["sessions"]
        assert (session["name"], session["n_messages"]) == ("notes", n_messages)


def test_the_status_is_told_to_people_and_to_scripts(here: Home) -> None:
    assert "tiny" in wiz(here, "status").stdout
    status = json.loads(wiz(here, "status", "--json").stdout)
    (worker,) = status["workers"]
    assert set(status) == {"service", "workers", "operations", "sessions"}
    assert Path(status["service"]["connection_file"]).is_file()
    assert worker["model_path"] == str(here.places.models_dir / "tiny.gguf")
    assert worker["loads"] == 1
    assert worker["memory_bytes"] > 0


def test_a_model_is_unloaded_by_its_name(here: Home) -> None:
    wiz(here, "prompt", "--model", "tiny.gguf", "--max-tokens", "1", "Hi")
    ran = wiz(here, "unload", "tiny")
    assert ran.stdout.startswith("tiny.gguf unloaded, "), ran.stderr
    again = wiz(here, "unload")
    assert again.returncode == 1
    assert again.stderr.startswith("ModelNotLoaded: ")
    assert "jupyter wiz load demo" in again.stderr


@pytest.mark.parametrize(
    ("n_times", "gap_s"), [(1, 0.0), (2, 0.0), (2, 0.02), (3, 0.1), (10, 0.03), (20, 0.0)]
)
def test_ctrl_c_cancels_the_answer_and_exits_with_130_however_often_it_is_pressed(
    here: Home, n_times: int, gap_s: float
) -> None:
    asking = subprocess.Popen(
        [sys.executable, "-m", "wiz_kernel_ext", "prompt", "--max-tokens", "3000", *ENDLESS, "Hi"],
        env={**os.environ, **here.environment}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert asking.stdout is not None
    assert asking.stdout.read(1)
    for _ in range(n_times):
        asking.send_signal(signal.SIGINT)
        time.sleep(gap_s)
    _, errors = asking.communicate(timeout=20)
    assert asking.returncode == 130
    assert errors == b""
    client = Client(here.settings, start=False)
    latest = client.operations(1)[0]
    client.close()
    assert latest.state == "cancelled"


def test_the_log_is_shown_also_of_a_service_that_is_gone(here: Home) -> None:
    stopped = wiz(here, "stop")
    assert stopped.returncode == 0
    assert "has stopped" in stopped.stdout
    ran = wiz(here, "logs", "-n", "2")
    assert ran.returncode == 0
    of_service, of_engine = ran.stdout.split("==> ")[1:]
    assert of_service.splitlines()[0] == f"{here.places.log_file} <=="
    assert of_service.endswith("stopped\n")
    assert "worker-" in of_engine.splitlines()[0]
    assert len(of_engine.splitlines()) == 3


def test_a_new_conversation_begins_with_the_default_model_where_none_is_loaded(home: Home) -> None:
    ran = wiz(home, "prompt", "--session", "notes", "--temperature", "0", "Hello, I am called Ana.")
    assert ran.returncode == 0, ran.stderr
    assert "Ana" in ran.stdout
    assert wiz(home, "stop").returncode == 0
    ran = wiz(home, "prompt", "--session", "notes", "--temperature", "0", "What is my name?")
    assert "Ana" in ran.stdout, ran.stderr


def test_help_is_no_failure(here: Home) -> None:
    ran = wiz(here, "--help")
    assert ran.returncode == 0
    assert "logs" in ran.stdout


def test_a_model_is_loaded_for_whoever_prompts_next(here: Home) -> None:
    ran = wiz(here, "load", "tiny.gguf", "--ctx", "256", "--seqs", "1")
    assert ran.returncode == 0, ran.stderr
    assert "loaded in" in ran.stdout and "context 256" in ran.stdout
    again = wiz(here, "load", "tiny.gguf", "--ctx", "512")
    assert again.returncode == 1
    assert again.stderr.startswith("Conflict: ") and "contextSize is 256, not 512" in again.stderr
    assert "shared" in wiz(here, "load", "tiny.gguf").stdout


ESCAPE = ("--logit-bias=\x1b=1000", "--max-tokens", "4", "Hi")


def test_no_control_sequence_of_an_answer_or_a_name_reaches_a_terminal(here: Home) -> None:
    ran = wiz(here, "prompt", "--model", "tiny.gguf", *ESCAPE)
    assert ran.stdout == "\\x1b" * 4 + "\n", ran.stderr
    with closing(Client(here.settings)) as client:
        name = "evil \x9b31m name"
        client.open_session(name)
        asked = {"session": name, "max_tokens": 1, "autoload": True}
        client.send_prompt("\x1b]52;c;aGk=\x07", **asked).result()
    for command in (
        ["sessions"],
        ["status"],
        ["ops"],
        ["sessions", "--json"],
        ["status", "--json"],
    ):
        ran = wiz(here, *command)
        assert ran.returncode == 0, ran.stderr
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", ran.stdout), command
    (found,) = [s for s in json.loads(ran.stdout)["sessions"] if "evil" in s["name"]]
    assert found["name"] == name
    wrong = wiz(here, "prompt", "--session", "\x9b31m", "--model", "no\x1b[2Jwhere.gguf", "Hi")
    assert r"\x1b[2J" in wrong.stderr
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", wrong.stderr)


C_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.parametrize(
    "narrow", [{"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1"}, C_LOCALE]
)
def test_no_encoding_of_standard_output_ends_a_command(here: Home, narrow: dict[str, str]) -> None:
    with closing(Client(here.settings)) as client:
        client.open_session("olá 🙂")
    for command in (["status"], ["sessions"], ["models"], ["sessions", "--json"], ["--help"]):
        ran = wiz(here, *command, **narrow)
        assert (ran.returncode, "Traceback" in ran.stderr) == (0, False), ran.stderr
    ran = wiz(here, "prompt", "--max-tokens", "3", text="Olá →\n", **narrow)
    assert ran.returncode == 0, ran.stderr
    ran = wiz(here, "prompt", "--max-tokens", "3", "Olá →", **narrow)
    assert ran.returncode == 0, ran.stderr
    wrong = wiz(here, "prompt", "--model", "nowhere.gguf", "Hi", **narrow)
    assert (wrong.returncode, "Traceback" in wrong.stderr) == (1, False), wrong.stderr


@pytest.mark.parametrize(
    ("words", "piped", "sent"),
    [
        (["Repeat:"], "a\nb\n", "Repeat:\n\na\nb"),
        (["Repeat", "this:", "-"], "a\n", "Repeat this:\n\na"),
        (["Before", "-", "and", "after"], "a", "Before\n\na\n\nand after"),
        (["-"], "a\n", "a"),
        (["Alone"], "", "Alone"),
        ([], "  indented\n", "  indented"),
    ],
)
def test_standard_input_follows_the_words_of_the_line(
    here: Home, words: list[str], piped: str, sent: str
) -> None:
    ran = wiz(here, "prompt", "--model", "tiny.gguf", "--session", "piped", "--max-tokens", "1",
              *words, text=piped)  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    with closing(Client(here.settings)) as client:
        asked = [m.content for m in client.session("piped").messages if m.role == "user"]
    assert asked[-1] == sent


def test_who_waits_for_standard_input_that_does_not_end_is_told(here: Home) -> None:
    asking = subprocess.Popen(
        [sys.executable, "-m", "wiz_kernel_ext", "prompt", "Hi"],
        env={**os.environ, **here.environment},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    with asking:
        assert asking.stderr is not None
        assert b"Waiting for the end of standard input" in asking.stderr.readline()
        asking.kill()


def test_a_dry_run_shows_the_sums_and_loads_nothing(home: Home, tmp_path: Path) -> None:
    path = write_tiny_gguf(tmp_path / "tiny.gguf", SHAPE)
    ran = wiz(home, "load", str(path), "--ctx", "1k", "--dry-run")
    assert ran.returncode == 0, ran.stderr
    assert "tiny.gguf: fits (measured by the engine). Nothing is loaded." in ran.stdout
    assert "KV memory: 2,048 cells of" in ran.stdout
    assert re.search(r"context +1024 tokens +asked for", ran.stdout)
    assert re.search(r"CPU.* 13 ", ran.stdout)
    write_tiny_gguf(tmp_path / "draft.gguf", replace(SHAPE, n_layers=1))
    drafted = wiz(home, "load", str(path), "--draft", str(tmp_path / "draft.gguf"), "--dry-run")
    assert re.search(r"CPU: draft draft.gguf +2 ", drafted.stdout), drafted.stderr
    assert re.search(r"draft +draft.gguf, 0 of 2 layers on cards", drafted.stdout)
    assert home.workers() == []
    refused = wiz(home, "load", str(tmp_path), "--convert", "--dry-run")
    assert refused.returncode == 1
    assert "wiz convert" in refused.stderr


def test_a_text_is_counted_and_a_prompt_shown_for_the_model_that_is_loaded(here: Home) -> None:
    wiz(here, "load", "tiny.gguf")
    counted = wiz(here, "count", "--model", "tiny.gguf", text="hello\n")
    assert counted.returncode == 0, counted.stderr
    assert int(counted.stdout) > 0
    show = ("show", "--model", "tiny.gguf", "--system", "S", "--prefill", "So ", "hi")
    shown = wiz(here, *show)
    assert shown.stdout == (
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n"
        "<|im_start|>assistant\nSo \n"
    )
    tokens = wiz(here, *show, "--tokens")
    assert tokens.stderr.startswith(f"[{len(tokens.stdout.split())} tokens of ")
