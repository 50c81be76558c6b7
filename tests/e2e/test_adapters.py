"""Adapters through the service: by name, for one prompt or a conversation, with no reload."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.making.convert.adapters import write_peft
from tests.support.homes import Home
from tests.support.lora_gguf import Lora, write_lora
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.demo import model_path
from wiz_kernel_ext.errors import (
    BadRequest,
    ConversionRefused,
    GgufInvalid,
    ModelFileNotFound,
    ModelLoadFailed,
)
from wiz_kernel_ext.protocol.answer import Answer

QUESTION = "Tell me what a kernel is, and a story about it."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two strong adapters for the demo, and a bad one."""
    folder = tmp_path_factory.mktemp("adapters")
    for n, name in enumerate(("style", "other")):
        write_lora(folder / f"{name}.gguf", model_path(), Lora(seed=n, strength=0.15))
    write_lora(folder / "wrong.gguf", model_path(), architecture="gemma3")
    (folder / "cut.gguf").write_bytes((folder / "style.gguf").read_bytes()[:-100])
    return folder


def ask(client: Client, adapters: list[object] | None = None, **options: object) -> Answer:
    more = {} if adapters is None else {"adapters": adapters}
    return client.prompt(
        QUESTION,
        temperature=0,
        max_tokens=24,
        messages=[],
        **more,
        **options,
    )


def test_adapters_by_path_and_by_name_from_here_scaled_and_together(
    shared_client: Client, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = shared_client
    loaded = client.load("demo")
    plain = ask(client)
    style = ask(client, [folder / "style.gguf"])
    monkeypatch.chdir(folder)
    by_name = ask(client, ["style.gguf"])
    half = ask(client, ["style.gguf=0.5"])
    both = ask(client, ["style.gguf", "other=0.5"])
    assert style == by_name
    assert len({str(plain), str(style), str(half), str(both)}) == 4
    assert ask(client, ["other.gguf=.5", "./style.gguf=1"]) == both
    assert ask(client, []) == plain == ask(client, ["style.gguf=0"])
    (worker,) = client.status().workers
    assert worker.pid == loaded.model.worker_pid


def test_changing_it_between_two_prompts_loads_nothing_and_finds_the_cells_again(
    shared_client: Client, folder: Path
) -> None:
    client = shared_client
    loaded = client.load("demo")
    first = [ask(client), ask(client, [folder / "style.gguf"])]
    began = time.monotonic()
    again = [ask(client), ask(client, [folder / "style.gguf"])]
    took = time.monotonic() - began
    assert again == first
    assert all(one.usage.n_cached_tokens > 20 for one in again)
    (worker,) = client.status().workers
    assert worker.pid == loaded.model.worker_pid
    assert took < 20
    assert client.load("demo").model.shared


def test_an_adapter_of_the_hub_that_is_here_is_found_by_its_name(
    shared_client: Client, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = tmp_path / "models--somebody--style-lora"
    snapshot = repo / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("0" * 40)
    for name in ("style", "other"):
        (snapshot / f"{name}-lora-f16.gguf").symlink_to(folder / f"{name}.gguf")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    shared_client.load("demo")
    by_file = ask(shared_client, ["somebody/style-lora/style-lora-f16.gguf=0.5"])
    assert by_file == ask(shared_client, [f"{folder}/style.gguf=0.5"])


def test_a_conversation_has_its_adapters_and_a_prompt_its_own(
    shared_client: Client, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = shared_client
    monkeypatch.chdir(folder)
    loaded = client.load("demo", session="with style", adapters=["style.gguf=0.75"])
    assert loaded.session is not None
    assert loaded.session.adapters == [f"{folder}/style.gguf=0.75"]

    def say(**options: object) -> Answer:
        answer = client.prompt(
            QUESTION, session="with style", temperature=0, max_tokens=24, **options
        )
        client.drop_last_turn("with style")
        return answer

    own = say()
    assert own == ask(client, ["style.gguf=0.75"])
    assert say(adapters=[]) == ask(client)
    assert say(adapters=["other.gguf"]) == ask(client, ["other.gguf"])
    info = client.open_session("with style", adapters=[folder / "other.gguf"])
    assert info.adapters == [f"{folder}/other.gguf"]
    assert say() == ask(client, ["other.gguf"])
    assert client.open_session("with style").adapters == info.adapters
    # A new conversation under that name goes on with them, and none is none.
    client.prompt(QUESTION, session="with style", max_tokens=4)
    assert client.open_session("with style", new=True).adapters == info.adapters
    assert client.open_session("with style", adapters=[]).adapters == []
    assert say() == ask(client)


def test_the_originals_call_begins_a_session_with_them(shared_client: Client, folder: Path) -> None:
    client = shared_client
    client.load_model("demo")
    client.create_context()
    client.initialize_session(adapters=[folder / "style.gguf"])
    answer = client.prompt(QUESTION, temperature=0, max_tokens=24)
    assert answer == ask(client, [folder / "style.gguf"])


def test_a_conversation_keeps_its_adapters_when_the_service_starts_again(
    client: Client, home: Home, folder: Path
) -> None:
    client.load("demo", session="kept", adapters=[folder / "style.gguf"])
    before = client.prompt(QUESTION, session="kept", temperature=0, max_tokens=24)
    client.drop_last_turn("kept")
    client.stop()
    after = client.prompt(QUESTION, session="kept", temperature=0, max_tokens=24, autoload=True)
    assert after == before
    assert client.open_session("kept").adapters == [str(folder / "style.gguf")]
    assert [one.adapters for one in client.status().sessions] == [[str(folder / "style.gguf")]]


@pytest.mark.parametrize(
    ("adapters", "error", "said"),
    [
        (["wrong.gguf"], ModelLoadFailed, "wrong.gguf is no adapter for wiz-demo-q8_0.gguf"),
        (["cut.gguf"], GgufInvalid, "cut.gguf is incomplete"),
        (["demo"], ModelLoadFailed, "it is no adapter at all"),
        (["nowhere.gguf=0.5"], ModelFileNotFound, "The adapter is not here"),
        (["somebody/nothing-here"], ModelFileNotFound, "Fetch it first"),
        ([""], BadRequest, "needs a path or a name"),
        (["style.gguf=1e9"], BadRequest, "at most 10000"),
        (["style.gguf"] * 17, BadRequest, "16 at most"),
    ],
)
def test_what_cannot_be_used_is_refused_before_the_first_token_and_the_worker_lives(
    shared_client: Client,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    adapters: list[object],
    error: type[Exception],
    said: str,
) -> None:
    client = shared_client
    monkeypatch.chdir(folder)
    loaded = client.load("demo")
    with pytest.raises(error) as refused:
        ask(client, adapters)
    notes = getattr(refused.value, "__notes__", [])
    assert said in f"{refused.value} {getattr(refused.value, 'hint', '')} {notes}"
    assert ask(client, ["style.gguf"])
    (worker,) = client.status().workers
    assert worker.pid == loaded.model.worker_pid


def test_a_session_is_not_given_an_adapter_that_is_not_here(
    shared_client: Client, folder: Path
) -> None:
    with pytest.raises(ModelFileNotFound, match="The adapter is not here"):
        shared_client.open_session("new one", adapters=[folder / "nowhere.gguf"])
    assert "new one" not in [one.name for one in shared_client.sessions()]


def test_a_peft_adapter_is_converted_and_used(
    shared_client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = shared_client
    names = [f"model.layers.{n}.mlp.down_proj.weight" for n in range(5)]
    write_peft(
        tmp_path / "peft",
        {name: np.zeros((256, 512), np.float32) for name in names},
        base_model_name_or_path="somebody/demo",
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConversionRefused, match="'somebody/demo' is not here"):
        client.convert_model(tmp_path / "peft", output=tmp_path / "made.gguf")
    made = client.convert_model(
        tmp_path / "peft", base="demo", out_type="f32", output=tmp_path / "made.gguf"
    )
    assert made == str(tmp_path / "made.gguf")
    client.load("demo")
    assert ask(client, [made]) not in (ask(client), "")
    with pytest.raises(BadRequest, match="no folder of an adapter"):
        client.convert_model("somebody/model", base="demo")


def test_the_command_line_converts_and_asks(home: Home, folder: Path, tmp_path: Path) -> None:
    def wiz(*arguments: str) -> str:
        ran = subprocess.run(
            [sys.executable, "-m", "wiz_kernel_ext", *arguments],
            env={**os.environ, **home.environment},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            input="",
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.strip()

    names = [f"model.layers.{n}.mlp.down_proj.weight" for n in range(5)]
    write_peft(tmp_path / "peft", {name: np.zeros((256, 512), np.float32) for name in names})
    wiz("convert", "./peft", "--base", "demo", "--type", "f16", "--output", "./made.gguf")
    asked = ("prompt", QUESTION, "--model", "demo", "--temperature", "0", "--max-tokens", "16")
    plain = wiz(*asked)
    assert wiz(*asked, "--adapter", "made.gguf") != plain
    assert wiz(*asked, "--adapter", "made.gguf=0") == plain
    client = Client()
    client.open_session("with style", adapters=[f"{folder}/style.gguf=0.5"])
    client.close()
    assert "style.gguf=0.5" in wiz("sessions")
