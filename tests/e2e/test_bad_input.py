"""Bad input: every request ends in a typed error that names the field, and everything lives on."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from tests.support.homes import Home
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.demo import model_path
from wiz_kernel_ext.errors import (
    BadRequest,
    Conflict,
    ContextOverflow,
    ModelFileNotFound,
    ModelLoadFailed,
    OperationNotFound,
    SessionNotFound,
    UnknownTarget,
    WizError,
)
from wiz_kernel_ext.protocol.requests import RenameSession


@pytest.fixture
def ready(shared_client: Client) -> Client:
    """A client that may prompt; the service has seen what tests before did to it."""
    client = shared_client
    client.load_model("demo")
    client.create_context(context_size=512)
    client.initialize_session()
    return client


@pytest.mark.parametrize(
    ("target", "payload", "error", "field"),
    [
        ("worker:fly", {}, UnknownTarget, "target"),
        ("worker:loadModel", {"modelPath": "demo", "layers": 3}, BadRequest, "layers"),
        ("worker:loadModel", {"modelPath": 3}, BadRequest, "modelPath"),
        ("worker:loadModel", {}, BadRequest, "modelPath"),
        ("worker:loadModel", {"modelPath": ""}, BadRequest, "modelPath"),
        ("worker:createContext", {"contextSize": "big"}, BadRequest, "contextSize"),
        ("worker:createContext", {"contextSize": -1}, BadRequest, "contextSize"),
        ("worker:prompt", {}, BadRequest, "prompt"),
        ("worker:prompt", {"prompt": "x", "options": {"temp": 1}}, BadRequest, "options.temp"),
        ("worker:prompt", {"prompt": "x", "options": {"topP": 7}}, BadRequest, "options.topP"),
        ("service:attach", {"operationId": "op-none"}, OperationNotFound, "operationId"),
        ("service:cancel", {"operationId": "op-none"}, OperationNotFound, "operationId"),
        ("service:getSession", {"session": "none"}, SessionNotFound, "session"),
        ("worker:prompt", {"prompt": "x", "session": "none"}, SessionNotFound, "session"),
        ("worker:prompt", {"prompt": "x", "session": ""}, BadRequest, "session"),
    ],
)
def test_a_wrong_payload_is_a_typed_error_that_names_the_field(
    ready: Client, target: str, payload: dict[str, Any], error: type[WizError], field: str
) -> None:
    with pytest.raises(error) as caught:
        ready.invoke(target, payload)
    assert caught.value.details["field"] == field
    assert caught.value.hint
    assert ready.prompt("Hello", max_tokens=3)


def corrupt(data: bytes, seed: int) -> bytes:
    """`data` with some bytes changed, in its header where it hurts."""
    rng, changed = random.Random(seed), bytearray(data)
    for _ in range(rng.randint(1, 20)):
        changed[rng.randrange(4, 60_000)] = rng.randrange(256)
    return bytes(changed)


def bad_files() -> list[tuple[str, bytes]]:
    model = model_path().read_bytes()
    return [
        ("empty", b""),
        ("text", b"This is not a model, it is a letter.\n" * 50),
        ("truncated", model[: len(model) // 2]),
        ("truncated-header", model[:5000]),
        ("magic-only", b"GGUF"),
        ("zeros", b"GGUF" + bytes(10_000)),
        *((f"corrupt-{seed}", corrupt(model, seed)) for seed in range(12)),
    ]


def test_a_file_that_is_no_model_is_refused_and_the_service_lives_on(
    home: Home, client: Client
) -> None:
    pid = client.status().service.pid
    for name, data in bad_files():
        file = home.folder / f"{name}.gguf"
        file.write_bytes(data)
        if name.startswith("corrupt"):
            # A flipped weight or word may go unnoticed: then it has to load.
            try:
                client.load_model(str(file))
                client.unload_model(str(file))
            except WizError as error:
                assert error.hint, name
        else:
            with pytest.raises(ModelLoadFailed) as caught:
                client.load_model(str(file))
            assert name in caught.value.message or str(file) in caught.value.message
    assert client.status().service.pid == pid
    assert not client.status().workers
    client.load_model("demo")


def test_a_missing_path_and_a_directory_are_told_apart(home: Home, client: Client) -> None:
    with pytest.raises(ModelFileNotFound, match=r"nowhere\.gguf"):
        client.load_model("nowhere.gguf")
    with pytest.raises(ModelFileNotFound, match="nowhere"):
        client.load_model("/nowhere/at/all.gguf")
    folder = home.folder / "folder.gguf"
    folder.mkdir()
    with pytest.raises(WizError, match=r"directory|folder"):
        client.load_model(str(folder))
    assert not home.workers()


def test_a_prompt_longer_than_the_context_is_refused_with_the_counts(ready: Client) -> None:
    with pytest.raises(ContextOverflow) as caught:
        ready.prompt("word " * 3000)
    assert caught.value.details["context_size"] == 512
    assert caught.value.details["n_prompt_tokens"] > 512
    assert ready.prompt("Hello", temperature=0)


@pytest.mark.parametrize("name", ["ação 日本", 'it\'s "quoted"', "../../etc", "x" * 200, "%s"])
def test_a_session_may_have_any_name(ready: Client, name: str) -> None:
    session = ready.initialize_session(session=name)
    ready.prompt("Hello, my name is Ana.", temperature=0)
    assert ready.session(name).info.id == session
    assert ready.session(name).info.n_messages == 2


@pytest.mark.parametrize("name", ["x" * 201, "", " ", "a\nb", "a\0b", "a\n"])
def test_a_name_that_is_no_line_of_text_is_refused(ready: Client, name: str) -> None:
    with pytest.raises(BadRequest) as caught:
        ready.initialize_session(session=name)
    assert caught.value.details["field"] == "session"


def test_a_relative_path_is_found_where_the_asker_is(
    home: Home, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home.folder / "here.gguf").write_bytes(model_path().read_bytes())
    monkeypatch.chdir(home.folder)
    assert Path(client.load_model("here.gguf").model_path) == home.folder / "here.gguf"


def test_a_session_is_renamed_unless_the_name_is_taken(shared_client: Client) -> None:
    client = shared_client
    client.open_session("first")
    client.open_session("second")
    renamed = client.request(RenameSession(session="first", name="thesis"))
    assert renamed.name == "thesis"
    assert client.session("first").info.id == renamed.id  # the old name still finds it
    with pytest.raises(Conflict):
        client.request(RenameSession(session="thesis", name="second"))
    with pytest.raises(SessionNotFound):
        client.request(RenameSession(session="third", name="fourth"))
