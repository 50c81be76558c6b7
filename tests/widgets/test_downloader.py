"""The downloader's actions against a real service and a hub of this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.homes import Home
from tests.support.stand_in_hub import Repository, StandInHub
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.demo import model_path
from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.notebook.widgets.downloader import Downloader
from wiz_kernel_ext.notebook.widgets.surroundings import Surroundings
from wiz_kernel_ext.protocol.hub_requests import PullModel, VerifyModel

REPO = "founders/demo-GGUF"
NAME = f"{REPO}:Q8_0"
SLOW_BYTES_PER_S = 400_000.0


class Desk:
    """A downloader, the kernel's client behind it, and what its page was told."""

    def __init__(self, client: Client) -> None:
        self.told: list[dict[str, Any]] = []
        shell: Any = SimpleNamespace(display_pub=SimpleNamespace(publish=lambda **message: None))
        notebook: Any = SimpleNamespace(shell=shell, client=client)
        self.watching = Client(start=False)
        self.panel = Downloader(around=Surroundings(notebook, self.watching))
        self.panel.post = self.told.append  # type: ignore[assignment, method-assign]

    def ask(self, action: str, **content: Any) -> None:
        self.panel.take({"action": action, "view": "v", **content})

    def last(self, kind: str) -> dict[str, Any]:
        return next((told for told in reversed(self.told) if told["kind"] == kind), {})

    def row(self) -> dict[str, Any]:
        rows = [row for row in self.last("work").get("rows", []) if row["title"] == NAME]
        return rows[0] if rows else {"state": "none", "small": ""}

    def wait(self, happened: Callable[[], Any]) -> None:
        deadline = time.monotonic() + 30
        while not happened():
            assert time.monotonic() < deadline, self.told[-5:]
            time.sleep(0.02)


@pytest.fixture
def hub(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInHub]:
    with StandInHub({REPO: Repository({"demo-Q8_0.gguf": model_path().read_bytes()})}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_HOME", str(home.folder / "hf"))
        monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
        yield hub


@pytest.fixture
def desk(hub: StandInHub, client: Client) -> Iterator[Desk]:
    desk = Desk(client)
    desk.ask("hello")
    desk.wait(lambda: desk.last("library"))
    yield desk
    desk.ask("bye")
    desk.watching.close()


def test_a_model_is_found_paused_resumed_loaded_when_done_and_deleted(
    desk: Desk, hub: StandInHub, client: Client
) -> None:
    desk.ask("search", text="demo", fits=False, context=4096, n=1)
    desk.wait(lambda: desk.last("found"))
    assert [card["repo"] for card in desk.last("found")["cards"]] == [REPO]
    desk.ask("repo", repo=REPO, context=4096)
    desk.wait(lambda: desk.last("repo"))
    (model,) = desk.last("repo")["listing"]["models"]
    assert (model["name"], model["here"], model["fit"]["context"]) == (NAME, False, 4096)
    hub.bytes_per_s = SLOW_BYTES_PER_S
    desk.ask("pull", model=NAME)
    desk.wait(lambda: "left" in desk.row()["small"])
    desk.ask("pause", id=desk.row()["id"])
    desk.wait(lambda: desk.row()["state"] == "paused")
    desk.ask("resume", id=desk.row()["id"])
    desk.wait(lambda: desk.row()["state"] == "running")
    desk.ask("loads", id=desk.row()["id"], wanted=True)
    hub.bytes_per_s = None
    desk.wait(lambda: client.status().workers and desk.last("loading").get("loading", 1) is None)
    path = client.status().workers[0].model_path
    assert any(asked.range for asked in hub.asked_for("GET", "store")), "it began anew"
    desk.ask("verify", model=NAME)
    desk.wait(lambda: "as the hub has it" in desk.last("note").get("text", ""))
    desk.ask("delete", model=NAME, path=None)
    desk.wait(lambda: desk.last("error").get("error") == "Conflict")
    desk.ask("ask-delete", model=NAME)
    desk.wait(lambda: desk.last("deletion"))
    asked = desk.last("deletion")["deletion"]
    assert (asked["freed"], asked["loaded"], asked["path"]) == ("3.4 MB", True, path)
    assert Path(path).exists()
    desk.ask("delete", model=NAME, path=path)
    desk.wait(lambda: "freed" in desk.last("note")["text"])
    assert not Path(path).exists()


def test_a_download_of_another_notebook_is_shown_and_can_be_cancelled(
    desk: Desk, hub: StandInHub
) -> None:
    hub.bytes_per_s = SLOW_BYTES_PER_S
    other = Client()
    operation = other.start(PullModel(model=NAME))
    desk.wait(lambda: desk.row()["state"] == "running")
    desk.ask("cancel", id=operation.id)
    desk.wait(lambda: desk.row()["state"] == "none")
    desk.wait(lambda: operation.state == "cancelled")
    other.close()


def test_download_pressed_twice_is_one_download_and_one_word_of_its_end(
    desk: Desk, hub: StandInHub
) -> None:
    hub.bytes_per_s = SLOW_BYTES_PER_S
    desk.ask("pull", model=NAME)
    desk.ask("pull", model=NAME)
    desk.wait(lambda: "left" in desk.row()["small"])
    assert len(desk.last("work")["rows"]) == 1
    hub.bytes_per_s = None
    desk.wait(lambda: desk.last("note"))
    desk.ask("search", text="x", fits=False, context=4096, n=1)
    desk.wait(lambda: desk.last("found"))
    assert [told["load"].endswith(".gguf") for told in desk.told if told["kind"] == "note"] == [
        True
    ]


def test_a_refused_download_tells_why_in_its_row_and_where_to_ask(
    desk: Desk, hub: StandInHub
) -> None:
    hub.repositories[REPO].gated = True
    desk.ask("pull", model=NAME)
    desk.wait(lambda: desk.row().get("problem"))
    problem = desk.row()["problem"]
    assert (desk.row()["state"], problem["error"]) == ("failed", "HubAccessDenied")
    assert problem["page"] == f"{hub.url}/{REPO}"
    hub.repositories[REPO].gated = False
    desk.ask("resume", id=desk.row()["id"])
    desk.wait(lambda: desk.last("note"))
    assert desk.last("work")["rows"] == []


def test_a_named_repository_is_there_though_no_search_knows_it(desk: Desk, hub: StandInHub) -> None:
    hub.repositories["some/checkpoint"] = Repository(
        {"config.json": b"{}", "model.safetensors": bytes(3 << 20)}
    )
    desk.ask("search", text=f" {hub.url}/some/checkpoint ", fits=True, context=4096, n=1)
    desk.wait(lambda: desk.last("found"))
    assert desk.last("found")["named"] == "some/checkpoint"
    assert [card["repo"] for card in desk.last("found")["cards"]] == ["some/checkpoint"]
    desk.ask("repo", repo="some/checkpoint", context=4096)
    desk.wait(lambda: desk.last("repo"))
    assert desk.last("repo")["listing"]["estimate"].startswith("3.0 MB to download")
    desk.ask("search", text="https://elsewhere.test/a/b", fits=False, context=4096, n=2)
    desk.wait(lambda: desk.last("found")["n"] == 2)
    assert "only addresses of" in desk.last("found")["why"]


def test_a_cancelled_download_leaves_nothing_on_the_disk_nor_in_any_panel(
    desk: Desk, hub: StandInHub, client: Client, home: Home
) -> None:
    hub.bytes_per_s = SLOW_BYTES_PER_S
    for paused in (False, True):
        desk.ask("pull", model=NAME)
        desk.wait(lambda: "left" in desk.row()["small"])
        if paused:
            desk.ask("pause", id=desk.row()["id"])
            desk.wait(lambda: desk.row()["state"] == "paused")
            assert "kept" in desk.row()["small"]
        assert list((home.folder / "hf").rglob("*.incomplete"))
        desk.ask("cancel", id=desk.row()["id"])
        desk.wait(lambda: not list((home.folder / "hf").rglob("*.incomplete")))
        desk.wait(lambda: client.operations() == [])
        assert desk.last("work")["rows"] == []
        desk.wait(lambda: "is cancelled: " in desk.last("note").get("text", ""))
        assert " 0 B freed" not in desk.last("note")["text"]
        desk.told.clear()
    operation = client.start(PullModel(model="demo"))
    operation.result(timeout_s=30)
    prompted = client.start(VerifyModel(model="demo"))
    prompted.result(timeout_s=30)
    with pytest.raises(BadRequest, match="is no download"):
        client.discard_download(prompted.id)


def test_a_second_view_is_told_what_the_first_one_shows(desk: Desk, hub: StandInHub) -> None:
    hub.bytes_per_s = SLOW_BYTES_PER_S
    desk.ask("pull", model=NAME)
    desk.wait(lambda: "left" in desk.row()["small"])
    desk.ask("pause", id=desk.row()["id"])
    desk.wait(lambda: desk.row()["state"] == "paused")
    desk.told.clear()
    desk.panel.take({"action": "hello", "view": "another"})
    desk.wait(lambda: desk.row()["state"] == "paused")


def test_a_model_deleted_elsewhere_leaves_the_list(
    desk: Desk, hub: StandInHub, client: Client
) -> None:
    def names() -> set[str]:
        return {model["name"] for model in desk.last("library")["models"]}

    client.pull(NAME)
    desk.wait(lambda: NAME in names())
    client.remove_model(NAME)
    desk.wait(lambda: NAME not in names())


def test_what_is_not_there_or_was_deleted_is_told_in_place(
    desk: Desk, hub: StandInHub, tmp_path: Path
) -> None:
    desk.ask("repo", repo="nobody/nothing", context=4096)
    desk.wait(lambda: desk.last("repo"))
    assert desk.last("repo")["gated"]
    desk.told.clear()
    desk.ask("load", path=str(tmp_path / "deleted.gguf"), context=None)
    desk.wait(lambda: desk.last("error"))
    assert desk.last("error")["error"] == "ModelFileNotFound"
    hub.statuses += [404] * 20
    desk.told.clear()
    desk.ask("search", text="x", fits=False, context=4096, n=7)
    desk.wait(lambda: desk.last("error"))
    assert desk.last("error")["n"] == 7


def test_a_token_is_kept_and_never_told_again(desk: Desk, home: Home) -> None:
    desk.ask("token", token="hf_secretsecret")
    desk.wait(lambda: desk.last("note"))
    assert (home.folder / "hf" / "token").read_text() == "hf_secretsecret"
    assert "hf_secret" not in str(desk.told)
    assert "hf_secret" not in str(desk.panel.get_state())


def test_the_models_here_can_be_read_without_a_page(desk: Desk) -> None:
    assert "demo" in desk.panel.drawing().plain
