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
from wiz_kernel_ext.notebook.widgets.panel_clients import PanelClients
from wiz_kernel_ext.protocol.hub_requests import PullModel, VerifyModel

REPO = "founders/demo-GGUF"
NAME = f"{REPO}:Q8_0"
SLOW_BYTES_PER_S = 400_000.0


class Downloads:
    """A downloader, the kernel's client behind it, and what its page was told."""

    def __init__(self, client: Client) -> None:
        self.told: list[dict[str, Any]] = []
        shell: Any = SimpleNamespace(display_pub=SimpleNamespace(publish=lambda **message: None))
        notebook: Any = SimpleNamespace(shell=shell, client=client)
        self.watching = Client(start=False)
        self.panel = Downloader(around=PanelClients(notebook, self.watching))
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
def panel(hub: StandInHub, client: Client) -> Iterator[Downloads]:
    panel = Downloads(client)
    panel.ask("hello")
    panel.wait(lambda: panel.last("library"))
    yield panel
    panel.ask("bye")
    panel.watching.close()


def test_a_model_is_found_paused_resumed_loaded_when_done_and_deleted(
    panel: Downloads, hub: StandInHub, client: Client
) -> None:
    panel.ask("search", text="demo", fits=False, context=4096, n=1)
    panel.wait(lambda: panel.last("found"))
    assert [card["repo"] for card in panel.last("found")["cards"]] == [REPO]
    panel.ask("repo", repo=REPO, context=4096)
    panel.wait(lambda: panel.last("repo"))
    (model,) = panel.last("repo")["listing"]["models"]
    assert (model["name"], model["here"], model["fit"]["context"]) == (NAME, False, 4096)
    hub.bytes_per_s = SLOW_BYTES_PER_S
    panel.ask("pull", model=NAME)
    panel.wait(lambda: "left" in panel.row()["small"])
    panel.ask("pause", id=panel.row()["id"])
    panel.wait(lambda: panel.row()["state"] == "paused")
    panel.ask("resume", id=panel.row()["id"])
    panel.wait(lambda: panel.row()["state"] == "running")
    panel.ask("loads", id=panel.row()["id"], wanted=True)
    hub.bytes_per_s = None
    panel.wait(lambda: client.status().workers and panel.last("loading").get("loading", 1) is None)
    path = client.status().workers[0].model_path
    assert any(asked.range for asked in hub.asked_for("GET", "store")), "it began anew"
    panel.ask("verify", model=NAME)
    panel.wait(lambda: "as the hub has it" in panel.last("note").get("text", ""))
    panel.ask("delete", model=NAME, path=None)
    panel.wait(lambda: panel.last("error").get("error") == "Conflict")
    panel.ask("ask-delete", model=NAME)
    panel.wait(lambda: panel.last("deletion"))
    asked = panel.last("deletion")["deletion"]
    assert (asked["freed"], asked["loaded"], asked["path"]) == ("3.4 MB", True, path)
    assert Path(path).exists()
    panel.ask("delete", model=NAME, path=path)
    panel.wait(lambda: "freed" in panel.last("note")["text"])
    assert not Path(path).exists()


def test_a_download_of_another_notebook_is_shown_and_can_be_cancelled(
    panel: Downloads, hub: StandInHub
) -> None:
    hub.bytes_per_s = SLOW_BYTES_PER_S
    other = Client()
    operation = other.start(PullModel(model=NAME))
    panel.wait(lambda: panel.row()["state"] == "running")
    panel.ask("cancel", id=operation.id)
    panel.wait(lambda: panel.row()["state"] == "none")
    panel.wait(lambda: operation.state == "cancelled")
    other.close()


def test_download_pressed_twice_is_one_download_and_one_word_of_its_end(
    panel: Downloads, hub: StandInHub
) -> None:
    hub.bytes_per_s = SLOW_BYTES_PER_S
    panel.ask("pull", model=NAME)
    panel.ask("pull", model=NAME)
    panel.wait(lambda: "left" in panel.row()["small"])
    assert len(panel.last("work")["rows"]) == 1
    hub.bytes_per_s = None
    panel.wait(lambda: panel.last("note"))
    panel.ask("search", text="x", fits=False, context=4096, n=1)
    panel.wait(lambda: panel.last("found"))
    assert [told["load"].endswith(".gguf") for told in panel.told if told["kind"] == "note"] == [
        True
    ]


def test_a_refused_download_tells_why_in_its_row_and_where_to_ask(
    panel: Downloads, hub: StandInHub
) -> None:
    hub.repositories[REPO].gated = True
    panel.ask("pull", model=NAME)
    panel.wait(lambda: panel.row().get("problem"))
    problem = panel.row()["problem"]
    assert (panel.row()["state"], problem["error"]) == ("failed", "HubAccessDenied")
    assert problem["page"] == f"{hub.url}/{REPO}"
    hub.repositories[REPO].gated = False
    panel.ask("resume", id=panel.row()["id"])
    panel.wait(lambda: panel.last("note"))
    assert panel.last("work")["rows"] == []


def test_a_named_repository_is_there_though_no_search_knows_it(
    panel: Downloads, hub: StandInHub
) -> None:
    hub.repositories["some/checkpoint"] = Repository(
        {"config.json": b"{}", "model.safetensors": bytes(3 << 20)}
    )
    panel.ask("search", text=f" {hub.url}/some/checkpoint ", fits=True, context=4096, n=1)
    panel.wait(lambda: panel.last("found"))
    assert panel.last("found")["named"] == "some/checkpoint"
    assert [card["repo"] for card in panel.last("found")["cards"]] == ["some/checkpoint"]
    panel.ask("repo", repo="some/checkpoint", context=4096)
    panel.wait(lambda: panel.last("repo"))
    assert panel.last("repo")["listing"]["estimate"].startswith("3.0 MB to download")
    panel.ask("search", text="https://elsewhere.test/a/b", fits=False, context=4096, n=2)
    panel.wait(lambda: panel.last("found")["n"] == 2)
    assert "only addresses of" in panel.last("found")["why"]


def test_a_cancelled_download_leaves_nothing_on_the_disk_nor_in_any_panel(
    panel: Downloads, hub: StandInHub, client: Client, home: Home
) -> None:
    hub.bytes_per_s = SLOW_BYTES_PER_S
    for paused in (False, True):
        panel.ask("pull", model=NAME)
        panel.wait(lambda: "left" in panel.row()["small"])
        if paused:
            panel.ask("pause", id=panel.row()["id"])
            panel.wait(lambda: panel.row()["state"] == "paused")
            assert "kept" in panel.row()["small"]
        assert list((home.folder / "hf").rglob("*.incomplete"))
        panel.ask("cancel", id=panel.row()["id"])
        panel.wait(lambda: not list((home.folder / "hf").rglob("*.incomplete")))
        panel.wait(lambda: client.operations() == [])
        assert panel.last("work")["rows"] == []
        panel.wait(lambda: "is cancelled: " in panel.last("note").get("text", ""))
        assert " 0 B freed" not in panel.last("note")["text"]
        panel.told.clear()
    operation = client.start(PullModel(model="demo"))
    operation.result(timeout_s=30)
    prompted = client.start(VerifyModel(model="demo"))
    prompted.result(timeout_s=30)
    with pytest.raises(BadRequest, match="is no download"):
        client.discard_download(prompted.id)


def test_a_second_view_is_told_what_the_first_one_shows(panel: Downloads, hub: StandInHub) -> None:
    hub.bytes_per_s = SLOW_BYTES_PER_S
    panel.ask("pull", model=NAME)
    panel.wait(lambda: "left" in panel.row()["small"])
    panel.ask("pause", id=panel.row()["id"])
    panel.wait(lambda: panel.row()["state"] == "paused")
    panel.told.clear()
    panel.panel.take({"action": "hello", "view": "another"})
    panel.wait(lambda: panel.row()["state"] == "paused")


def test_a_model_deleted_elsewhere_leaves_the_list(
    panel: Downloads, hub: StandInHub, client: Client
) -> None:
    def names() -> set[str]:
        return {model["name"] for model in panel.last("library")["models"]}

    client.pull(NAME)
    panel.wait(lambda: NAME in names())
    client.remove_model(NAME)
    panel.wait(lambda: NAME not in names())


def test_what_is_not_there_or_was_deleted_is_told_in_place(
    panel: Downloads, hub: StandInHub, tmp_path: Path
) -> None:
    panel.ask("repo", repo="nobody/nothing", context=4096)
    panel.wait(lambda: panel.last("repo"))
    assert panel.last("repo")["gated"]
    panel.told.clear()
    panel.ask("load", path=str(tmp_path / "deleted.gguf"), context=None)
    panel.wait(lambda: panel.last("error"))
    assert panel.last("error")["error"] == "ModelFileNotFound"
    hub.statuses += [404] * 20
    panel.told.clear()
    panel.ask("search", text="x", fits=False, context=4096, n=7)
    panel.wait(lambda: panel.last("error"))
    assert panel.last("error")["n"] == 7


def test_a_token_is_kept_and_never_told_again(panel: Downloads, home: Home) -> None:
    panel.ask("token", token="hf_secretsecret")
    panel.wait(lambda: panel.last("note"))
    assert (home.folder / "hf" / "token").read_text() == "hf_secretsecret"
    assert "hf_secret" not in str(panel.told)
    assert "hf_secret" not in str(panel.panel.get_state())


def test_the_models_here_can_be_read_without_a_page(panel: Downloads) -> None:
    assert "demo" in panel.panel.drawing().plain
