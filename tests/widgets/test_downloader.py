"""The downloader's actions against a real service and a hub of this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from tests.support.homes import Home
from tests.support.stand_in_hub import Repository, StandInHub
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.demo import model_path
from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.notebook.widgets.downloader import Downloader, DownloaderState
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
        self.client = client
        self.watching = Client(start=False)
        self.panel = Downloader(around=PanelClients(notebook, self.watching))
        self.panel.post = self.told.append  # type: ignore[assignment, method-assign]
        self.n = 0

    @property
    def state(self) -> DownloaderState:
        return self.panel.state.now

    def ask(self, action: str, **content: Any) -> int:
        """Ask for an action as a page does; the number of its reply."""
        self.n += 1
        self.panel.take({"action": action, "view": "v", "n": self.n, **content})
        return self.n

    def answer(self, action: str, **content: Any) -> dict[str, Any]:
        """Ask, and wait for how it ended: its `result` or the `problem` there was."""
        n = self.ask(action, **content)
        self.wait(lambda: any(told.get("n") == n for told in self.told))
        return next(told for told in self.told if told.get("n") == n)

    def close(self) -> None:
        """Nobody looks any more; what watches for changes has ended then."""
        self.answer("bye")  # what was asked before it is done
        watch = self.panel._watch
        while watch._thread is not None and watch._thread.is_alive():
            for view in list(watch._views):
                watch.end(view)
            self.client.open_session("a change ends its waiting for one")
            time.sleep(0.05)
        self.watching.close()

    @property
    def note(self) -> str:
        """What the page says came of the latest action."""
        return str((self.state.note or {}).get("text", ""))

    def row(self) -> dict[str, Any]:
        rows = [row for row in self.state.work if row["title"] == NAME]
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
    panel.wait(lambda: panel.state.models is not None)
    yield panel
    panel.close()


def test_a_model_is_found_paused_resumed_loaded_when_done_and_deleted(
    panel: Downloads, hub: StandInHub, client: Client
) -> None:
    found = panel.answer("search", text="demo", fits=False, context=4096)["result"]
    assert [card["repo"] for card in found["cards"]] == [REPO]
    (model,) = panel.answer("repo", repo=REPO, context=4096)["result"]["listing"]["models"]
    assert (model["name"], model["here"]) == (NAME, False)
    assert len(model["fits"]) == len(panel.state.contexts)
    hub.bytes_per_s = SLOW_BYTES_PER_S
    panel.ask("pull", model=NAME)
    panel.wait(lambda: "left" in panel.row()["small"])
    panel.ask("pause", id=panel.row()["id"])
    panel.wait(lambda: panel.row()["state"] == "paused")
    panel.ask("resume", id=panel.row()["id"])
    panel.wait(lambda: panel.row()["state"] == "running")
    panel.ask("loads", id=panel.row()["id"], wanted=True)
    hub.bytes_per_s = None
    panel.wait(lambda: panel.state.load is not None and panel.state.load["state"] == "done")
    assert panel.state.load is not None
    assert panel.state.load["model"] == NAME
    path = client.status().workers[0].model_path
    assert any(asked.range for asked in hub.asked_for("GET", "store")), "it began anew"
    panel.ask("verify", model=NAME)
    panel.wait(lambda: "as the hub has it" in panel.note)
    assert not panel.state.load, "what was said of the last action is over"
    assert panel.answer("delete", model=NAME, path=None)["problem"]["error"] == "Conflict"
    asked = panel.answer("ask-delete", model=NAME)["result"]
    assert (asked["freed"], asked["loaded"], asked["path"]) == ("3.4 MB", True, path)
    assert Path(path).exists()
    panel.ask("delete", model=NAME, path=path)
    panel.wait(lambda: "freed" in panel.note)
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
    assert len(panel.state.work) == 1
    hub.bytes_per_s = None
    panel.wait(lambda: panel.note)
    assert panel.note == f"{NAME} is here."
    panel.answer("search", text="x", fits=False, context=4096)
    notes = [told["state"]["note"] for told in panel.told if "note" in told.get("state", {})]
    assert [note["load"].endswith(".gguf") for note in notes if note] == [True]


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
    panel.wait(lambda: panel.note)
    panel.wait(lambda: panel.state.work == [])


def test_a_named_repository_is_there_though_no_search_knows_it(
    panel: Downloads, hub: StandInHub
) -> None:
    hub.repositories["some/checkpoint"] = Repository(
        {"config.json": b"{}", "model.safetensors": bytes(3 << 20)}
    )
    text = f" {hub.url}/some/checkpoint "
    found = panel.answer("search", text=text, fits=True, context=4096)["result"]
    assert found["named"] == "some/checkpoint"
    assert [card["repo"] for card in found["cards"]] == ["some/checkpoint"]
    repo = panel.answer("repo", repo="some/checkpoint", context=4096)["result"]
    assert repo["listing"]["estimate"].startswith("3.0 MB to download")
    text = "https://elsewhere.test/a/b"
    found = panel.answer("search", text=text, fits=False, context=4096)["result"]
    assert "only addresses of" in found["why"]


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
        assert panel.state.work == []
        panel.wait(lambda: "is cancelled: " in panel.note)
        assert " 0 B freed" not in panel.note
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
    panel.panel.take({"action": "hello", "view": "another"})
    panel.wait(lambda: any(told.get("view") == "another" for told in panel.told))
    whole = next(told for told in panel.told if told.get("view") == "another")
    assert (whole["kind"], whole["since"]) == ("state", 0)
    assert [row["state"] for row in whole["state"]["work"]] == ["paused"]
    assert whole["state"] == msgspec.structs.asdict(panel.state)


def standing(state: DownloaderState) -> DownloaderState:
    """A state without what passes by itself: how long ago a model was used."""
    models = [{**model, "used": ""} for model in state.models or []]
    return msgspec.structs.replace(state, models=models)


def test_a_panel_of_a_restarted_kernel_shows_what_the_old_one_did(
    panel: Downloads, hub: StandInHub, client: Client
) -> None:
    hub.bytes_per_s = SLOW_BYTES_PER_S
    panel.ask("pull", model=NAME)
    panel.wait(lambda: "left" in panel.row()["small"])
    panel.ask("pause", id=panel.row()["id"])
    panel.wait(lambda: "kept" in panel.row()["small"])
    panel.answer("load", path=str(model_path()), context=None)
    panel.wait(lambda: client.status().workers)
    panel.wait(lambda: panel.state.load is not None and panel.state.load["state"] == "done")
    panel.answer("heard")
    again = Downloads(client)
    again.ask("hello")
    again.wait(lambda: again.state.models is not None and again.state.work)
    panel.wait(lambda: standing(again.state) == standing(panel.state))
    again.close()


def test_a_model_deleted_elsewhere_leaves_the_list(
    panel: Downloads, hub: StandInHub, client: Client
) -> None:
    def names() -> set[str]:
        return {model["name"] for model in panel.state.models or []}

    client.pull(NAME)
    panel.wait(lambda: NAME in names())
    client.remove_model(NAME)
    panel.wait(lambda: NAME not in names())


def test_what_is_not_there_or_was_deleted_is_told_in_place(
    panel: Downloads, hub: StandInHub, tmp_path: Path
) -> None:
    repo = panel.answer("repo", repo="nobody/nothing", context=4096)["result"]
    assert repo["problem"]["gated"]
    panel.ask("load", path=str(tmp_path / "deleted.gguf"), context=None)
    panel.wait(lambda: panel.state.load is not None and panel.state.load["state"] == "failed")
    assert panel.state.load is not None
    assert panel.state.load["problem"]["error"] == "ModelFileNotFound"
    hub.statuses += [404] * 20
    assert panel.answer("search", text="x", fits=False, context=4096)["problem"]


def test_a_token_is_kept_and_never_told_again(panel: Downloads, home: Home) -> None:
    panel.ask("token", token="hf_secretsecret")
    panel.wait(lambda: panel.note)
    assert (home.folder / "hf" / "token").read_text() == "hf_secretsecret"
    assert "hf_secret" not in str(panel.told)
    assert "hf_secret" not in str(panel.panel.get_state())


def test_the_models_here_can_be_read_without_a_page(panel: Downloads) -> None:
    assert "demo" in panel.panel.drawing().plain
