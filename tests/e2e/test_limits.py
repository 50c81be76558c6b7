"""A machine's limits, kept by a real service in an environment whose `etc/jupyter` sets them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.environments import Environment, make_environment
from tests.support.homes import Home
from tests.support.tiny_gguf import Shape, write_tiny_gguf

TRY = """
import os, sys
from wiz_kernel_ext import WizError
def attempt(call):
    try:
        value = call()
        print(value.context if hasattr(value, "context") else value)
    except WizError as error:
        print(type(error).__name__, error, "|", error.hint)
"""


@pytest.fixture
def limited(tmp_path: Path) -> Environment:
    """An environment without limits yet."""
    return make_environment(tmp_path / "limited")


def limit(environment: Environment, text: str) -> Path:
    file = environment.folder / "etc" / "jupyter" / "jupyter_wiz_config.py"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return file


def said(home: Home, environment: Environment, *calls: str) -> list[str]:
    code = TRY + "".join(f"attempt(lambda: {call})\n" for call in calls)
    return environment.run(home, code).out


def test_contexts_threads_and_times_beyond_them_are_refused_and_defaults_fit(
    home: Home, limited: Environment
) -> None:
    file = limit(
        limited,
        "c.WizLimits.max_context_size = 512\nc.WizLimits.max_sequences = 2\n"
        "c.WizLimits.max_threads = 1\nc.WizLimits.max_keep_alive_s = 60\n",
    )
    context, sequences, threads, kept, within, fitted = said(
        home,
        limited,
        'client.load("demo", context_size=513)',
        'client.load("demo", sequences=3)',
        'client.load("demo", threads=2)',
        'client.load("demo", keep_alive_s=-1)',
        'client.load("demo", context_size=256, keep_alive_s=30)',
        'client.load("demo", reload=True)',
    )
    for line, name in (
        (context, "max_context_size"),
        (sequences, "max_sequences"),
        (threads, "max_threads"),
        (kept, "max_keep_alive_s"),
    ):
        assert line.startswith("LimitExceeded"), line
        assert f"{file} says so (c.WizLimits.{name})" in line
    assert "context_size=256" in within
    assert "context_size=512" in fitted
    assert "sequences=2" in fitted
    assert "threads=1" in fitted


def test_models_memory_and_hub_are_limited_whatever_the_variables_say(
    home: Home, limited: Environment
) -> None:
    home.places.models_dir.mkdir(parents=True)
    for name in ("good", "bad"):
        write_tiny_gguf(home.places.models_dir / f"{name}.gguf", Shape())
    limit(
        limited,
        "c.WizLimits.allowed_models = ['good*', 'user/*']\nc.WizLimits.max_memory_gb = 0.0001\n"
        "c.WizLimits.hub_offline = True\nc.WizLimits.max_idle_exit_s = 3600\n",
    )
    memory, model, pull, hub = said(
        home,
        limited,
        'client.load("good")',
        'client.load("bad")',
        'client.pull("stranger/model:Q8_0")',
        '(os.environ.update(HF_HUB_OFFLINE="0"), client.pull("user/model:Q8_0"))',
    )
    assert "max_memory_gb" in memory
    assert "bad.gguf is not allowed here" in model
    assert "stranger/model is not allowed here" in pull
    assert "offline mode is set" in hub
    assert home.workers() == []


def test_a_limit_that_cannot_be_taken_lets_nothing_start_and_names_its_file(
    home: Home, limited: Environment
) -> None:
    file = limit(limited, "c.WizLimits.max_threads = 'two'\n")
    code = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_line_magic("load_ext", "wiz_kernel_ext")
print("loaded", "WizMagics" in shell.magics_manager.registry)
print(shell.run_cell("%wiz_load demo").error_in_exec)
"""
    done = limited.run_code(home, code)
    assert f"{file}: WizLimits.max_threads is 'two'" in done.stderr
    assert "loaded True" in done.stdout
    assert f"{file}: WizLimits.max_threads is 'two'" in done.stdout.partition("loaded True")[2]
    assert home.services() == []


def test_what_was_asked_for_before_there_were_limits_is_lowered_for_the_next_prompt(
    home: Home, limited: Environment
) -> None:
    ask = 'client.load("demo", context_size=1024, keep_alive_s=-1, session="old")'
    said(home, limited, ask, 'client.unload_model("demo")')
    limit(limited, "c.WizLimits.max_context_size = 512\nc.WizLimits.max_keep_alive_s = 60\n")
    prompt = 'client.request(Prompt(prompt="Hello", session="old", autoload=True)).text != ""'
    workers = "[(w.context, w.keep_alive_s) for w in client.status().workers]"
    code = "from wiz_kernel_ext.protocol.requests import Prompt\n"
    code += TRY + f"attempt(lambda: {prompt})\nattempt(lambda: {workers})\n"
    answered, loaded = limited.run(home, code).out
    assert answered == "True"
    assert loaded == "[(512, 60.0)]"


def test_an_idle_model_gives_way_where_both_are_more_than_the_memory_of_one_user(
    home: Home, limited: Environment
) -> None:
    home.places.models_dir.mkdir(parents=True)
    write_tiny_gguf(home.places.models_dir / "second.gguf", Shape())
    code = """
client.load("demo")
print(client.status().workers[0].memory_bytes, client.inspect("second").fit.least_bytes)
"""
    held, least = map(int, limited.run(home, code).out[0].split())
    limit(limited, f"c.WizLimits.max_memory_gb = {(least + held / 2) / 1e9}\n")
    loaded, models = said(
        home,
        limited,
        'client.load("second").notices',
        "[w.model_path for w in client.status().workers]",
    )
    assert "was unloaded to make room" in loaded
    assert "second.gguf" in models
    assert "demo" not in models
