"""The asker's environment counts for its request, whoever started the service.

Its token is seen nowhere: not in the data directory, a log, an error, a record, or what a process
was started with.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.gguf_bytes import small_model
from tests.support.homes import Home
from tests.support.kernels import Kernel
from tests.support.stand_in_hub import Fault, Repository, StandInHub
from wiz_kernel_ext.client import Client, connection
from wiz_kernel_ext.errors import HubNotFound, HubUnreachable, ModelFileNotFound, WizError
from wiz_kernel_ext.protocol.hub_requests import PullModel

TOKEN = "hf_neverToBeSeenAnywhere"
OTHER_TOKEN = "hf_alsoNeverToBeSeen"
MODEL = small_model()


@pytest.fixture
def hub(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInHub]:
    """A hub; the service that is started here knows another, and no token."""
    repositories = {
        "acme/mine": Repository({"mine-Q8_0.gguf": MODEL}, token=TOKEN),
        "acme/theirs": Repository({"theirs-Q8_0.gguf": MODEL + b"\0"}, token=OTHER_TOKEN),
        "acme/open": Repository({"open-Q8_0.gguf": MODEL + bytes(300_000)}),
    }
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    monkeypatch.setenv("HF_HOME", str(home.folder / "first"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with StandInHub(repositories) as hub:
        yield hub


def test_token_endpoint_cache_and_offline_are_the_askers(
    hub: StandInHub, home: Home, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(HubUnreachable, match=r"127\.0\.0\.1:9 cannot be reached"):
        client.pull("acme/mine")  # this started the service
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    with pytest.raises(HubNotFound, match="is public"):
        client.pull("acme/mine")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert client.search("mine")[0].page.startswith(hub.url)
    assert client.inspect("acme/mine").n_vocab == 300
    assert Path(client.pull("acme/mine")).is_relative_to(home.folder / "first")
    monkeypatch.setenv("HF_HOME", str(home.folder / "second"))
    assert "acme/mine:Q8_0" not in {model.name for model in client.models()}
    with pytest.raises(ModelFileNotFound):
        client.load_model("acme/mine")
    assert Path(client.pull("acme/mine")).is_relative_to(home.folder / "second")
    assert "acme/mine:Q8_0" in {model.name for model in client.models()}
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(HubUnreachable, match="offline mode"):
        client.pull("acme/open")
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    with pytest.raises(HubNotFound, match="is public"):
        client.inspect("acme/mine@main/mine-Q6_K.gguf")
    assert client.remove_model("acme/mine").freed_bytes == len(MODEL)
    assert list((home.folder / "first").rglob("*.gguf"))
    assert len(home.services()) == 1


def test_an_asker_that_says_nothing_has_the_services_environment(
    hub: StandInHub, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.status()
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    assert client.list_repo("acme/open").models
    # As an older client asks, and as all did before.
    monkeypatch.setattr(connection, "told_by_this_process", lambda: None)
    with pytest.raises(HubUnreachable, match=r"127\.0\.0\.1:9 cannot be reached"):
        client.list_repo("acme/open")


def test_a_token_in_an_address_is_kept_nowhere(
    hub: StandInHub, home: Home, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    address = f"https://me:{TOKEN}@huggingface.co"
    for ask in (client.load, client.load_model, client.verify_model, client.pull, client.inspect):
        for name in (f"{address}/acme/none", f"{address}/x", f"see {TOKEN}"):
            with pytest.raises(WizError) as caught:
                ask(name)
            assert TOKEN not in f"{caught.value.info()}", (ask, name)
    client.open_session("kept")
    assert seen(home, TOKEN) == []


def test_a_cell_that_sets_the_token_is_enough(
    hub: StandInHub, home: Home, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.status()
    kernel = Kernel(home.environment)
    try:
        kernel.run("%load_ext wiz_kernel_ext")
        kernel.run(f"%env HF_ENDPOINT={hub.url}")
        refused = kernel.run("%wiz_pull acme/mine")
        assert (refused.status, refused.error_name) == ("error", "HubNotFound")
        kernel.run(f"%env HF_TOKEN={TOKEN}")
        cell = kernel.run("%wiz_pull acme/mine")
        assert cell.status == "ok", cell
    finally:
        kernel.close()
    assert seen(home, TOKEN) == []


def test_two_askers_with_different_tokens_do_not_share_one_answer(
    hub: StandInHub, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    hub.statuses = [503] * 3  # so that the first is still asking when the second comes
    monkeypatch.setenv("HF_TOKEN", OTHER_TOKEN)
    wrong = client.start(PullModel(model="acme/mine/mine-Q8_0.gguf"))
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    right = client.start(PullModel(model="acme/mine/mine-Q8_0.gguf"))
    assert right.id != wrong.id
    assert Path(right.result(timeout_s=60)).is_file()
    with pytest.raises(WizError):
        wrong.result(timeout_s=60)


class Watch:
    """Looks at what every process below the service was started with, over and over."""

    def __init__(self, home: Home) -> None:
        self.n_seen = 0
        self.leaks: list[str] = []
        self._home = home
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(0.02):
            for process in self._home.processes():
                found = started_with(process)
                self.n_seen += "fetch" in found
                if TOKEN in found:
                    self.leaks.append(found)


def started_with(process: psutil.Process) -> str:
    """The command line, title and environment of a process, as everybody of its user sees them."""
    folder = Path(f"/proc/{process.pid}")
    texts = []
    with contextlib.suppress(OSError):
        names = ("cmdline", "environ", "comm", "status")
        texts += [(folder / name).read_bytes().decode(errors="replace") for name in names]
    return " ".join(texts)


def seen(home: Home, secret: str) -> list[str]:
    """Where under the home, and in its processes, a text can be read."""
    files = [
        path
        for path in home.folder.rglob("*")
        # IPython's history is the user's: it has the cell that set the token.
        if path.is_file() and not path.is_symlink() and path.name != "history.sqlite"
    ]
    assert home.places.log_file in files
    assert home.places.database_file in files
    found = [str(path) for path in files if secret.encode() in path.read_bytes()]
    return found + [f"{p}" for p in home.processes() if secret in started_with(p)]


def test_the_token_is_seen_nowhere(
    hub: StandInHub, home: Home, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It starts the service too, which must not inherit it.
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_DEBUG", "1")
    hub.bytes_per_s = 1e6
    errors = []
    with Watch(home) as watch:
        client.load_model("demo")
        client.pull("acme/mine")
        client.pull("acme/open")
        for ask in (client.pull, client.inspect, client.list_repo, client.load_model):
            hub.faults = [Fault("refuse")] * 9
            with pytest.raises(WizError) as caught:
                ask("acme/theirs")
            errors.append(f"{caught.value.info()}")
        with pytest.raises(WizError):
            client.add_collection("x", "acme/none-0123456789abcdef01234567")
        time.sleep(0.1)
    assert watch.n_seen
    assert watch.leaks == []
    assert TOKEN not in "".join(errors)
    for info in client.operations(100):
        assert TOKEN not in f"{info} {list(client.attach(info.id).events())}"
    assert any(asked.authorization == f"Bearer {TOKEN}" for asked in hub.asked)
    client.open_session("kept")
    assert seen(home, TOKEN) == []
    client.stop()
    assert seen(home, TOKEN) == []
