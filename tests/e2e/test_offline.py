"""Offline mode: everything that is cached goes on working, and the rest says why it does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.making.convert.checkpoints import write_checkpoint
from tests.support.homes import Home
from tests.support.stand_in_hub import Repository, StandInHub
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.demo import model_path
from wiz_kernel_ext.errors import HubUnreachable
from wiz_kernel_ext.protocol.events import Notice
from wiz_kernel_ext.protocol.hub_requests import ConvertModel

REPO = "acme/demo-GGUF"
CHECKPOINT = "acme/tiny"


@pytest.fixture
def offline(
    home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[tuple[Client, StandInHub]]:
    """A service in offline mode, whose cache has one of a repository's two models."""
    write_checkpoint(tmp_path / "c", "llama")
    model = model_path().read_bytes()
    repositories = {
        REPO: Repository({"demo-Q8_0.gguf": model, "demo-F16.gguf": model + b"\0"}),
        CHECKPOINT: Repository({p.name: p.read_bytes() for p in (tmp_path / "c").iterdir()}),
    }
    with StandInHub(repositories, collections={"acme/best-64f0aaaaaaaaaaaaaaaa": [REPO]}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_HOME", str(home.folder / "hf"))
        before = Client()
        before.pull(f"{REPO}:Q8_0")
        before.convert_model(CHECKPOINT, out_type="f16")
        before.add_collection("best", "acme/best-64f0aaaaaaaaaaaaaaaa")
        before.stop()
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        hub.asked.clear()
        client = Client()
        yield client, hub
        client.close()


def test_what_is_cached_is_found_listed_looked_into_pulled_and_loaded(
    offline: tuple[Client, StandInHub],
) -> None:
    client, hub = offline
    assert [(hit.repo, hit.from_cache) for hit in client.search("DEMO gguf")] == [(REPO, True)]
    assert client.search("demo nothing") == []
    (fitting,) = client.search("demo", fits=True)
    assert [model.name for model in fitting.models] == [f"{REPO}:Q8_0"]
    listing = client.list_repo(REPO)
    assert listing.from_cache
    assert [(model.name, model.downloaded) for model in listing.models] == [(f"{REPO}:Q8_0", True)]
    path = client.pull(REPO)
    assert path == client.pull(f"{REPO}:Q8_0") == client.pull(f"{REPO}/demo-Q8_0.gguf")
    assert client.inspect(REPO).path == path
    assert not client.verify_model(REPO).bad
    assert client.load_model(REPO).model_path == path
    assert f"{REPO}:Q8_0" in {model.name for model in client.models()}
    assert hub.asked == []


def test_a_cached_checkpoint_is_converted(offline: tuple[Client, StandInHub]) -> None:
    client, hub = offline
    operation = client.start(ConvertModel(source=CHECKPOINT, out_type="q8_0"))
    assert Path(operation.result(timeout_s=60)).name == "tiny-Q8_0.gguf"
    notices = [event.text for event in operation.events() if isinstance(event, Notice)]
    assert "The hub was not asked" in notices[0]
    assert hub.asked == []


def test_what_is_not_cached_says_that_offline_mode_is_why(
    offline: tuple[Client, StandInHub],
) -> None:
    client, hub = offline
    asked: dict[str, Callable[[], object]] = {
        "pull": lambda: client.pull(f"{REPO}:F16"),
        "file": lambda: client.download_model(repo=REPO, file="demo-F16.gguf"),
        "list": lambda: client.list_repo("acme/other"),
        "inspect": lambda: client.inspect("acme/other"),
        "convert": lambda: client.convert_model("acme/other"),
        "check": lambda: client.models(check=True),
    }
    for name, ask in asked.items():
        with pytest.raises(HubUnreachable, match="offline mode is set") as caught:
            ask()
        assert "Unset HF_HUB_OFFLINE" in caught.value.hint, name
    (collection,) = client.collections(refresh=True)
    assert collection.models == [REPO]
    assert "offline mode is set" in collection.problem
    assert hub.asked == []
