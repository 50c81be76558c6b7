"""Downloads that go well, from a stand-in hub by the real huggingface_hub."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from pathlib import Path

import pytest

from tests.hub.conftest import LARGE, SMALL
from tests.support.hub_user import TOKEN, HubUser, content, is_link
from tests.support.stand_in_hub import Repository, StandInHub, digest
from wiz_kernel_ext.errors import BadRequest
from wiz_kernel_ext.hub.download import download_key


def n_resolved(hub: StandInHub) -> int:
    """How often the hub was asked for a file (huggingface_hub asks for other things besides)."""
    return sum("/resolve/" in asked.path for asked in hub.asked)


async def test_a_file_lands_in_the_standard_cache_by_its_name(
    user: HubUser, hub: StandInHub
) -> None:
    path = await user.fetch()
    commit = hub.repositories["wiz/models"].commit
    assert path == str(user.cache / "snapshots" / commit / "dir" / "large.gguf")
    assert content(path) == LARGE
    assert is_link(path)
    assert (user.cache / "blobs" / digest(LARGE)).is_file()
    assert content(user.cache / "refs" / "main").decode() == commit
    done = [n for n, _ in user.progress]
    assert done == sorted(done) and done[-1] == len(LARGE)
    assert {total for _, total in user.progress} == {len(LARGE)}
    assert user.unfinished() == []


async def test_every_hub_tool_finds_it_there(user: HubUser, hub: StandInHub) -> None:
    path = await user.fetch()
    check = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "import huggingface_hub as h; print(h.hf_hub_download('wiz/models', 'dir/large.gguf'));"
        "c = h.scan_cache_dir(); print(len(c.repos), len(c.warnings), c.size_on_disk)",
        env=user.environment | {"HF_HUB_OFFLINE": "1"},
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await check.communicate()
    assert said.decode().split() == [path, "1", "0", str(len(LARGE))]


async def test_a_slow_download_says_how_far_it_is(user: HubUser, hub: StandInHub) -> None:
    hub.bytes_per_s = 6e6
    await user.fetch()
    assert len(user.progress) >= 4


async def test_a_file_that_is_here_is_not_sent_again(user: HubUser, hub: StandInHub) -> None:
    first = await user.fetch(file="small.gguf")
    assert await user.fetch(file="small.gguf") == first
    assert len(hub.asked_for("GET", "store")) == 1


async def test_a_commit_that_is_here_asks_nobody(user: HubUser, hub: StandInHub) -> None:
    commit = hub.repositories["wiz/models"].commit
    await user.fetch(file="small.gguf", revision=commit)
    n_asked = n_resolved(hub)
    assert content(await user.fetch(file="small.gguf", revision=commit)) == SMALL
    assert n_resolved(hub) == n_asked


async def test_offline_what_is_here_is_found(user: HubUser, hub: StandInHub) -> None:
    first = await user.fetch(file="small.gguf")
    user.environment["HF_HUB_OFFLINE"] = "1"
    n_asked = len(hub.asked)
    assert await user.fetch(file="small.gguf") == first
    assert len(hub.asked) == n_asked


async def test_without_a_hub_what_is_here_is_found_and_said_so(user: HubUser) -> None:
    first = await user.fetch(file="small.gguf")
    user.environment["HF_ENDPOINT"] = "http://127.0.0.1:9"
    assert await user.fetch(file="small.gguf") == first
    assert "fetched before" in user.notices[-1]


async def test_a_token_opens_its_repository_and_is_not_given_to_the_store(
    user: HubUser, hub: StandInHub
) -> None:
    user.environment["HF_TOKEN"] = TOKEN
    assert content(await user.fetch("wiz/private", "small.gguf")) == SMALL
    assert {asked.authorization for asked in hub.asked_for("GET", "store")} == {None}


async def test_the_token_of_the_token_file_is_used(user: HubUser) -> None:
    user.home.mkdir()
    (user.home / "token").write_text(TOKEN)
    assert content(await user.fetch("wiz/private", "small.gguf")) == SMALL


async def test_a_file_kept_by_xet_comes_over_plain_http_too(user: HubUser, hub: StandInHub) -> None:
    user.environment.pop("HF_HUB_DISABLE_XET", None)
    authority = f'<{hub.url}/api/models/wiz/models/xet-read-token/main>; rel="xet-auth"'
    claims = {"X-Xet-Hash": "ab" * 32, "Link": authority}
    hub.repositories["wiz/models"].claims["small.gguf"] = claims
    assert content(await user.fetch(file="small.gguf")) == SMALL
    assert not [asked for asked in hub.asked if "xet-read-token" in asked.path]


PARTS = {f"q8/m-0000{i}-of-00003.gguf": bytes([i]) * (2 << 20) for i in (1, 2, 3)}


async def test_the_parts_of_a_split_model_come_together(user: HubUser, hub: StandInHub) -> None:
    hub.repositories["wiz/split"] = Repository(dict(PARTS))
    hub.bytes_per_s = 2e6
    began_s = time.monotonic()
    path = await user.fetch("wiz/split", "q8/m-00002-of-00003.gguf")
    assert Path(path).name == "m-00001-of-00003.gguf"
    for name, data in PARTS.items():
        assert content(Path(path).with_name(name.rpartition("/")[2])) == data
    assert user.progress[-1] == (6 << 20, 6 << 20)
    # One after another they would take a second each, and the start of a process comes on top.
    assert time.monotonic() - began_s < 3 + 5
    pinned = {a.path.split("/")[4] for a in hub.asked if a.method == "GET" and "resolve" in a.path}
    assert pinned == {hub.repositories["wiz/split"].commit}


async def test_the_speed_can_be_bounded(user: HubUser) -> None:
    began_s = time.monotonic()
    await user.fetch(limit_bytes_per_s=8e6)
    assert time.monotonic() - began_s > 0.6


async def test_a_moved_branch_does_not_hide_what_is_unchanged(
    user: HubUser, hub: StandInHub
) -> None:
    await user.fetch(file="small.gguf")
    await user.fetch()
    hub.repositories["wiz/models"].files = {
        "small.gguf": SMALL,
        "dir/large.gguf": LARGE + b"more",
        "new.gguf": b"new",
    }
    commit = hub.repositories["wiz/models"].commit
    await user.fetch(file="new.gguf")
    assert content(user.cache / "refs" / "main").decode() == commit
    snapshot = user.cache / "snapshots" / commit
    assert sorted(p.name for p in snapshot.rglob("*.gguf")) == ["new.gguf", "small.gguf"]
    assert content(snapshot / "small.gguf") == SMALL


async def test_a_cache_without_links_holds_the_file_once(user: HubUser, tmp_path: Path) -> None:
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(
        "import os, pathlib\n"
        "def refused(*a, **k): raise OSError(1, 'no links here')\n"
        "os.symlink = refused\n"
    )
    user.environment["PYTHONPATH"] = str(hook)
    path = await user.fetch()
    assert content(path) == LARGE and not is_link(path)
    assert user.size_bytes() < len(LARGE) + 1000


async def test_two_who_ask_for_the_same_file_share_one_transfer(
    user: HubUser, hub: StandInHub, tmp_path: Path
) -> None:
    other = HubUser(user.home, hub.url)
    hub.bytes_per_s = 5e6
    assert len(set(await asyncio.gather(user.fetch(), other.fetch()))) == 1
    assert hub.n_sent_bytes == len(LARGE)
    for one in (user, other):
        assert len(one.progress) >= 4 and one.progress[-1] == (len(LARGE), len(LARGE))


def test_requests_for_the_same_transfer_have_the_same_key() -> None:
    assert download_key("u/r", "m-00002-of-00002.gguf", "main") == "u/r/m-00001-of-00002.gguf"
    assert download_key("u/r", "m.gguf", "v1") == "u/r@v1/m.gguf"


@pytest.mark.parametrize(
    ("repo", "file", "revision"),
    [
        ("", "f", None),
        ("../x", "f", None),
        ("a/b?x=1", "f", None),
        ("https://huggingface.co/a/b", "f", None),
        ("a/b", "", None),
        ("a/b", "../f", None),
        ("a/b", "x\\..\\f", None),
        ("a/b", "/etc/passwd", None),
        ("a/b", "f\0", None),
        ("a/b", "nul", None),
        ("a/b", "f", "../main"),
    ],
    ids=repr,
)
async def test_a_name_that_cannot_be_is_refused_before_anything_is_sent(
    user: HubUser, hub: StandInHub, repo: str, file: str, revision: str | None
) -> None:
    with pytest.raises(BadRequest):
        await user.fetch(repo, file, revision)
    assert hub.asked == []


async def test_the_room_is_given_back_when_the_cache_goes(user: HubUser) -> None:
    await user.fetch(file="small.gguf")
    shutil.rmtree(user.home / "hub")
    assert content(await user.fetch(file="small.gguf")) == SMALL
