"""What a hub, a network or a disk refuses, as a client of the service is told it.

The same by the downloading process alone, and more of it: `tests/hub/test_refused_downloads.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from pathlib import Path

import pytest

from tests.support.gguf_bytes import small_model
from tests.support.homes import Home
from tests.support.stand_in_hub import Fault, Repository, StandInHub
from wiz_kernel_ext.client import Client
from wiz_kernel_ext.errors import (
    ChecksumMismatch,
    DiskFull,
    HubAccessDenied,
    HubNotFound,
    HubUnreachable,
    WizError,
)

TOKEN = "hf_neverToBeSeenAnywhere"
MODEL = small_model()
HOSTILE = ("../../evil-Q8_0.gguf", "/tmp/evil-Q8_0.gguf", "a\0evil.gguf", "NUL.gguf")


@pytest.fixture(scope="module")
def hub() -> Iterator[StandInHub]:
    with StandInHub() as hub:
        yield hub


@pytest.fixture(scope="module")
def here(hub: StandInHub) -> Iterator[Home]:
    """One service for this module, whose user has a token."""
    here = Home.make()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_ENDPOINT", hub.url)
        patch.setenv("HF_HOME", str(here.folder / "hf"))
        patch.setenv("HF_TOKEN", TOKEN)
        patch.setenv("HF_DEBUG", "1")
        for name, value in here.environment.items():
            patch.setenv(name, value)
        yield here
    here.close()


@pytest.fixture
def asker(hub: StandInHub, here: Home) -> Iterator[Client]:
    hub.repositories = {
        "acme/models": Repository({"small-Q8_0.gguf": MODEL, "other-F16.gguf": MODEL + b"\0"}),
        "acme/mine": Repository({"mine-Q8_0.gguf": MODEL + b"mine"}, token=TOKEN),
        "acme/gated": Repository({"small-Q8_0.gguf": MODEL}, gated=True),
        "acme/hostile": Repository(dict.fromkeys(HOSTILE, MODEL)),
    }
    client = Client()
    yield client
    client.close()
    hub.faults, hub.statuses, hub.store_statuses = [], [], []


def too_large(hub: StandInHub) -> None:
    claims = {"small-Q8_0.gguf": {"X-Linked-Size": str(10**15)}}
    hub.repositories["acme/models"].claims = claims


def damaged_twice(hub: StandInHub) -> None:
    hub.faults = [Fault("corrupt", 100), Fault("corrupt", 200)]


def too_often(hub: StandInHub) -> None:
    hub.statuses = [(429, {"Retry-After": "3600"})] * 20


def in_trouble(hub: StandInHub) -> None:
    hub.statuses = [503] * 40


def two_hours_behind(hub: StandInHub) -> None:
    then = formatdate(time.time() - 7200, usegmt=True)
    hub.store_statuses = [(403, {"Date": then})] * 9


def rejecting(hub: StandInHub) -> None:
    hub.statuses = [(401, {"X-Error-Message": "Invalid credentials in Authorization header"})] * 9


def as_it_is(hub: StandInHub) -> None:
    """Nothing is wrong with this one."""


Case = tuple[str, Callable[[StandInHub], None], type[WizError], str, str]
FILE = "acme/models/small-Q8_0.gguf"
CASES: dict[str, Case] = {
    "no repository": ("acme/none", as_it_is, HubNotFound, "acme/none", "hf auth login"),
    "no revision": ("acme/models@v9:Q8_0", as_it_is, HubNotFound, "'v9'", "/acme/models/refs"),
    "no file": ("acme/models/smal.gguf", as_it_is, HubNotFound, "smal.gguf", "acme/models:Q8_0"),
    "no quant": ("acme/models:Q2_K", as_it_is, HubNotFound, "no Q2_K", "acme/models:F16"),
    "gated": ("acme/gated", as_it_is, HubAccessDenied, "gated", "Ask for access at"),
    "token refused": (FILE, rejecting, HubAccessDenied, "this token", "/settings/tokens"),
    "too often": (FILE, too_often, HubUnreachable, "429", "Wait some minutes"),
    "in trouble": (FILE, in_trouble, HubUnreachable, "503", "run it again"),
    "disk": (FILE, too_large, DiskFull, "no room", "client.remove_model('MODEL')"),
    "damaged": (FILE, damaged_twice, ChecksumMismatch, "damaged twice", "another network"),
    "clock": (FILE, two_hours_behind, HubAccessDenied, "120 minutes ahead", "timedatectl"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_error_is_the_right_one_and_says_what_to_do(
    asker: Client, hub: StandInHub, here: Home, case: str
) -> None:
    name, prepare, kind, message, hint = CASES[case]
    prepare(hub)
    with pytest.raises(WizError) as caught:
        asker.pull(name)
    assert type(caught.value) is kind, caught.value
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert name.partition("@")[0].partition(":")[0].split("/")[1] in caught.value.message
    assert not [path for path in (here.folder / "hf").rglob("*.gguf") if path.is_file()]


def test_a_repository_of_hostile_names_has_no_models_and_writes_nothing_outside_the_cache(
    asker: Client, here: Home
) -> None:
    listing = asker.list_repo("acme/hostile")
    assert listing.models == []
    assert {file.why for file in listing.skipped} == {"its name cannot be stored safely"}
    for name in HOSTILE:
        with pytest.raises(WizError):
            asker.download_model(repo="acme/hostile", file=name)
        with pytest.raises(WizError):
            asker.pull(f"acme/hostile/{name}")
    assert not list(here.folder.rglob("*evil*"))
    assert not Path("/tmp/evil-Q8_0.gguf").exists()


def test_the_token_opens_what_is_its_owners_and_is_nowhere_to_be_read(
    asker: Client, hub: StandInHub, here: Home
) -> None:
    assert Path(asker.pull("acme/mine")).read_bytes() == MODEL + b"mine"
    hub.faults = [Fault("refuse")] * 9
    with pytest.raises(HubAccessDenied) as caught:
        asker.pull("acme/models")
    assert TOKEN not in f"{caught.value.info()}"
    operations = asker.operations(100)
    assert len(operations) >= 2
    for info in operations:
        assert TOKEN not in f"{info} {list(asker.attach(info.id).events())}"
    asker.stop()
    files = [path for path in here.folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert here.places.log_file in files
    assert here.places.database_file in files
    assert [path for path in files if TOKEN.encode() in path.read_bytes()] == []


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        ("http://127.0.0.1:9", "there is no connection"),
        ("http://no-such-hub.invalid", "its name is not found"),
    ],
)
def test_a_hub_that_is_not_there_is_said_with_what_to_look_at(
    home: Home, monkeypatch: pytest.MonkeyPatch, endpoint: str, words: str
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    monkeypatch.setenv("HF_HOME", str(home.folder / "hf"))
    client = Client()
    client.status()

    def told(ask: Callable[[str], object]) -> HubUnreachable:
        with pytest.raises(HubUnreachable, match=words) as caught:
            ask("acme/models")
        return caught.value

    asks = (client.pull, client.list_repo, client.search, client.inspect)
    with ThreadPoolExecutor(len(asks)) as threads:  # each has its patience
        for error in threads.map(told, asks):
            assert endpoint in error.message
            assert "HF_ENDPOINT" in error.hint
    client.close()
