"""The stand-in hub with its repositories, and a user who asks it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.gguf_bytes import small_model
from tests.support.hub_user import TOKEN, HubUser, children
from tests.support.stand_in_hub import Repository, StandInHub

SMALL = small_model()
LARGE = random.Random(1).randbytes(6 * 2**20)


@pytest.fixture
def hub() -> Iterator[StandInHub]:
    repositories = {
        "wiz/models": Repository({"small.gguf": SMALL, "dir/large.gguf": LARGE}),
        "wiz/gated": Repository({"small.gguf": SMALL}, gated=True),
        "wiz/private": Repository({"small.gguf": SMALL}, token=TOKEN),
    }
    with StandInHub(repositories) as hub:
        yield hub


@pytest.fixture
def user(tmp_path: Path, hub: StandInHub) -> Iterator[HubUser]:
    yield HubUser(tmp_path / "hf", hub.url)
    assert children() == []
