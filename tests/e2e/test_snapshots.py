"""What was computed of a conversation outlives model, worker and service, and goes with it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.homes import Home
from tests.support.tiny_gguf import Shape, write_tiny_gguf
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.protocol.answer import Answer

LONG = "and then it goes on, as all of these do, to say what it is that it says. " * 12
GREEDY: dict[str, Any] = {"temperature": 0, "max_tokens": 20}
NO_END = {"<|im_end|>": -1000.0, "<|endoftext|>": -1000.0}


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny model whose greedy text changes with every token before it."""
    return str(write_tiny_gguf(tmp_path_factory.mktemp("model") / "tiny.gguf", Shape(seed=3)))


def load(client: Client, model: str, session: str = "mine") -> None:
    client.load_model(model)
    client.create_context(context_size=2048)
    client.initialize_session(session=session)


def ask(client: Client, text: str, session: str = "mine", **options: Any) -> Answer:
    options = {**GREEDY, "logit_bias": NO_END, **options}
    return client.prompt(text, session=session, **options)


def files(home: Home) -> list[Path]:
    folder = home.places.snapshots_dir
    return sorted(path for path in folder.rglob("*") if path.is_file())


def wait_for_files(home: Home, n: int, timeout_s: float = 15.0) -> list[Path]:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        found = [path for path in files(home) if path.suffix == ".kv"]
        if len(found) == n:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{files(home)}\n{home.log()}")


def test_a_conversation_goes_on_after_unload_and_after_a_restart_of_the_service(
    home: Home, client: Client, model: str
) -> None:
    load(client, model)
    first = ask(client, LONG)
    assert first.usage.n_cached_tokens == 0
    # At once: what is not written yet is written before the worker ends.
    client.unload_model()
    assert len(files(home)) == 1
    load(client, model)
    second = ask(client, "Why?")
    assert second.usage.n_cached_tokens >= first.usage.n_prompt_tokens
    client.stop()
    load(client, model)
    third = ask(client, "Why not?")
    assert third.usage.n_cached_tokens >= second.usage.n_prompt_tokens
    # The same as where nothing was ever kept.
    client.unload_model()
    client.delete_session("mine")
    load(client, model)
    plain = [ask(client, text) for text in (LONG, "Why?", "Why not?")]
    assert plain == [first, second, third]


def test_it_is_written_while_nobody_asks_and_only_its_owner_can_read_it(
    home: Home, client: Client, model: str
) -> None:
    load(client, model)
    ask(client, LONG)
    (file,) = wait_for_files(home, 1)
    assert file.stat().st_mode & 0o777 == 0o600
    folder = home.places.snapshots_dir
    for place in (file.parent, folder):
        assert place.stat().st_mode & 0o777 == 0o700
    (worker,) = home.workers()
    worker.kill()
    while client.status().workers:
        time.sleep(0.02)
    assert ask(client, "Why?", autoload=True).usage.n_cached_tokens > 200


def test_a_prompt_with_its_own_history_is_not_kept(home: Home, client: Client, model: str) -> None:
    load(client, model)
    client.prompt(LONG, messages=[], **GREEDY)
    client.unload_model()
    assert files(home) == []


def test_deleting_a_conversation_deletes_it_whether_or_not_its_worker_runs(
    home: Home, client: Client, model: str
) -> None:
    load(client, model)
    ask(client, LONG)
    client.initialize_session(session="other")
    ask(client, f"Another one: {LONG}", "other")
    wait_for_files(home, 2)
    client.delete_session("mine")
    (file,) = files(home)
    client.unload_model()
    assert files(home) == [file]
    client.delete_session("other")
    assert list(home.places.snapshots_dir.iterdir()) == []


def test_what_a_worker_would_write_of_a_deleted_conversation_is_not_written(
    home: Home, client: Client, model: str
) -> None:
    load(client, model)
    ask(client, LONG)
    client.delete_session("mine")  # before it was written
    load(client, model, "other")
    operation = client.send_prompt(
        LONG, session="other", max_tokens=1000, temperature=0, logit_bias=NO_END
    )
    next(iter(operation))
    client.delete_session("other")  # while it is answered
    operation.cancel()
    client.unload_model()
    assert list(home.places.snapshots_dir.iterdir()) == []


def test_a_turn_that_is_taken_back_is_not_kept(home: Home, client: Client, model: str) -> None:
    load(client, model)
    ask(client, LONG)
    wait_for_files(home, 1)
    client.drop_last_turn("mine")
    client.unload_model()
    assert files(home) == []
    load(client, model)
    assert ask(client, LONG).usage.n_cached_tokens == 0
    client.unload_model()
    assert len(files(home)) == 1


@pytest.mark.parametrize("region", ["head", "tokens", "copy", "cut", "empty"])
def test_a_damaged_file_is_read_anew_and_the_worker_lives(
    home: Home, client: Client, model: str, region: str
) -> None:
    load(client, model)
    first = ask(client, LONG)
    client.unload_model()
    (file,) = files(home)
    data = bytearray(file.read_bytes())
    at = {"head": 30, "tokens": 300, "copy": len(data) - 99}.get(region)
    if at is not None:
        data[at] ^= 16
    file.write_bytes(data[: {"cut": len(data) // 2, "empty": 0}.get(region, len(data))])
    load(client, model)
    second = ask(client, "Why?")
    assert second.usage.n_cached_tokens == 0
    assert second.usage.n_prompt_tokens > first.usage.n_prompt_tokens
    (worker,) = home.workers()
    assert ask(client, "And?").usage.n_cached_tokens > 200
    assert [one.pid for one in home.workers()] == [worker.pid]


def test_a_service_that_is_to_keep_nothing_keeps_nothing_and_deletes_what_there_is(
    home: Home, client: Client, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(client, model)
    ask(client, LONG)
    client.stop()
    assert len(files(home)) == 1
    monkeypatch.setenv("WIZ_SNAPSHOTS_GB", "0")
    load(client, model)
    assert ask(client, "Why?").usage.n_cached_tokens == 0
    client.unload_model()
    assert not home.places.snapshots_dir.exists()
