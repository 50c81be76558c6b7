"""Downloads belong to the service: progress on the way, the standard cache at the end."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.homes import Home
from tests.support.stand_in_hub import Fault, FaultKind, Repository, StandInHub
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.demo import model_path
from wiz_kernel_ext.errors import HubNotFound, OperationCancelled, OperationInterrupted
from wiz_kernel_ext.protocol.events import Progress
from wiz_kernel_ext.protocol.requests import DownloadModel

REPO = "founders/demo-GGUF"
FILE = "demo-q8_0.gguf"


@pytest.fixture
def hub(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInHub]:
    model = model_path().read_bytes()
    with StandInHub({REPO: Repository({FILE: model})}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_HOME", str(home.folder / "hf"))
        monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
        monkeypatch.setenv("HF_HUB_DOWNLOAD_TIMEOUT", "1")
        yield hub


def test_a_download_lands_in_the_standard_cache_and_loads(hub: StandInHub, client: Client) -> None:
    path = client.download_model(repo=REPO, file=FILE)
    assert Path(path).name == FILE
    assert "snapshots" in path
    client.load_model(path)
    client.create_context()
    client.initialize_session()
    assert client.prompt("Hello", temperature=0)


def test_a_download_goes_on_while_its_asker_is_gone_and_another_sees_its_progress(
    hub: StandInHub, home: Home, client: Client
) -> None:
    hub.bytes_per_s = 2e6
    asker = Client()
    operation = asker.start(DownloadModel(repo=REPO, file=FILE))
    asker.close()
    later = client.attach(operation.id)
    path = later.result(timeout_s=60)
    assert Path(path).stat().st_size == model_path().stat().st_size
    progress = [event for event in later.events() if isinstance(event, Progress)]
    assert progress[-1].done == progress[-1].total == model_path().stat().st_size


def test_a_cancelled_download_ends_at_once_and_says_so(hub: StandInHub, client: Client) -> None:
    hub.bytes_per_s = 2e5
    operation = client.start(DownloadModel(repo=REPO, file=FILE))
    time.sleep(0.5)
    operation.cancel()
    with pytest.raises(OperationCancelled):
        operation.result(timeout_s=10)
    assert operation.state == "cancelled"


def test_what_is_not_there_is_named(hub: StandInHub, client: Client) -> None:
    with pytest.raises(HubNotFound, match=r"nothing-here\.gguf"):
        client.download_model(repo=REPO, file="nothing-here.gguf")
    with pytest.raises(HubNotFound, match="founders/none"):
        client.download_model(repo="founders/none", file=FILE)


KINDS: list[FaultKind] = ["fin", "rst", "stall", "ignore range"]


def cut_and_killed(
    hub: StandInHub, home: Home, client: Client, size_bytes: int, n_cuts: int
) -> float:
    """Fetch a file over bad connections; how many times its size was sent.

    They are cut at random places in four ways, and the service is killed twice in mid-transfer.
    """
    rng = random.Random(7)
    data = rng.randbytes(size_bytes)
    hub.repositories[REPO].files["large.gguf"] = data
    hub.bytes_per_s = size_bytes / 3
    kinds = KINDS * (n_cuts // len(KINDS) - 1)
    rng.shuffle(kinds)
    # Not first: a transfer from the beginning asks for no range that could be ignored.
    reach = size_bytes * 4 // (3 * n_cuts)
    hub.faults = [Fault(kind, rng.randrange(1, reach)) for kind in [*KINDS, *kinds]]
    request = DownloadModel(repo=REPO, file="large.gguf")
    for kill_at in (size_bytes // 5, size_bytes // 2):
        operation = client.start(request)
        for event in operation.events():
            if isinstance(event, Progress) and event.done >= kill_at:
                break
        (service,) = home.services()
        service.kill()
        with pytest.raises(OperationInterrupted):
            operation.result(timeout_s=30)
    path = Path(client.start(request).result(timeout_s=100))
    assert hub.faults == []
    assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(data).digest()
    assert not list((home.folder / "hf").rglob("*.incomplete"))
    return hub.n_sent_bytes / size_bytes


def test_cuts_and_two_kills_of_the_service_cost_little(
    hub: StandInHub, home: Home, client: Client
) -> None:
    assert cut_and_killed(hub, home, client, 40 << 20, n_cuts=8) <= 1.2


@pytest.mark.slow
def test_20_cuts_and_two_kills_of_the_service_of_200_mb_cost_a_twentieth(
    hub: StandInHub, home: Home, client: Client
) -> None:
    sent = cut_and_killed(hub, home, client, 200_000_000, n_cuts=20)
    print(f"bytes sent / size: {sent:.4f}")
    assert sent <= 1.05
