"""Everything a hub, a network or a disk can refuse: the right error, and what to do."""

from __future__ import annotations

import time
from email.utils import formatdate
from pathlib import Path

import pytest

from tests.hub.conftest import SMALL
from tests.support.hub_user import TOKEN, HubUser, content, names_below
from tests.support.stand_in_hub import Fault, Repository, StandInHub
from wiz_kernel_ext.errors import (
    DiskFull,
    DownloadFailed,
    HubAccessDenied,
    HubNotFound,
    HubUnreachable,
)


@pytest.mark.parametrize(
    ("repo", "file", "revision", "kind", "message", "hint"),
    [
        ("wiz/none", "small.gguf", None, HubNotFound, "no repository", "hf auth login"),
        ("wiz/private", "small.gguf", None, HubNotFound, "no repository", "HF_TOKEN"),
        ("wiz/gated", "small.gguf", None, HubAccessDenied, "gated", "/wiz/gated"),
        ("wiz/models", "none.gguf", None, HubNotFound, "no file", "/wiz/models/tree"),
        ("wiz/models", "small.gguf", "v9", HubNotFound, "'v9'", "/refs"),
    ],
)
async def test_what_the_hub_does_not_give_is_said_with_what_to_do(
    user: HubUser, repo: str, file: str, revision: str | None, kind: type, message: str, hint: str
) -> None:
    error = await user.failure(repo, file, revision)
    assert type(error) is kind
    assert message in error.message and hint in error.hint


async def test_a_token_does_not_open_what_is_gated(user: HubUser) -> None:
    user.environment["HF_TOKEN"] = TOKEN
    error = await user.failure("wiz/gated", "small.gguf")
    assert "gated" in error.message
    assert error.details["page"].endswith("/wiz/gated")


async def test_a_token_that_is_not_accepted_is_said(user: HubUser) -> None:
    user.environment["HF_TOKEN"] = "hf_rejected"
    error = await user.failure("wiz/models", "small.gguf")
    assert isinstance(error, HubAccessDenied)
    assert "does not take this token" in error.message
    assert "hf_rejected" not in str(error.info())


async def test_a_hub_in_trouble_is_asked_again(user: HubUser, hub: StandInHub) -> None:
    hub.statuses = [503, 502, (429, {"Retry-After": "1"})]
    assert content(await user.fetch(file="small.gguf")) == SMALL
    assert user.notices == ["The hub asks to wait 1 s."]


@pytest.mark.parametrize("status", [500, 503, 418])
async def test_a_hub_that_stays_in_trouble_is_an_error(
    user: HubUser, hub: StandInHub, status: int
) -> None:
    hub.statuses = [status] * 99
    error = await user.failure("wiz/models", "small.gguf")
    assert isinstance(error, HubUnreachable)
    assert str(status) in error.message


async def test_too_many_requests_say_so(user: HubUser, hub: StandInHub) -> None:
    hub.statuses = [(429, {"Retry-After": "3600"})] * 9
    error = await user.failure("wiz/models", "small.gguf")
    assert isinstance(error, HubUnreachable)
    assert "429" in error.message and "Wait" in error.hint


async def test_offline_what_is_not_here_says_so(user: HubUser, hub: StandInHub) -> None:
    user.environment["HF_HUB_OFFLINE"] = "1"
    error = await user.failure("wiz/models", "small.gguf")
    assert isinstance(error, HubUnreachable)
    assert "offline" in error.message and "HF_HUB_OFFLINE" in error.hint
    assert hub.asked == []


async def test_a_hub_that_is_not_there_is_said_in_bounded_time(user: HubUser) -> None:
    user.environment["HF_ENDPOINT"] = "http://127.0.0.1:9"
    began_s = time.monotonic()
    error = await user.failure("wiz/models", "small.gguf")
    assert isinstance(error, HubUnreachable)
    assert "127.0.0.1:9" in error.message and "no connection" in error.message
    assert time.monotonic() - began_s < 30


async def test_a_name_that_is_not_found_is_said(user: HubUser) -> None:
    user.environment["HF_ENDPOINT"] = "http://no-such-host.invalid"
    error = await user.failure("wiz/models", "small.gguf")
    assert "its name is not found" in error.message and "HF_ENDPOINT" in error.hint


async def test_a_clock_that_is_wrong_is_blamed(user: HubUser, hub: StandInHub) -> None:
    then = formatdate(time.time() - 7200, usegmt=True)
    hub.store_statuses = [(403, {"Date": then})] * 9
    error = await user.failure("wiz/models", "small.gguf")
    assert "120 minutes ahead" in error.message and "timedatectl" in error.hint


async def test_a_page_that_is_no_hub_is_said(user: HubUser, hub: StandInHub) -> None:
    hub.statuses = [200] * 9
    error = await user.failure("wiz/models", "small.gguf")
    assert "not as a hub does" in error.message and "login page" in error.hint


async def test_a_disk_too_small_is_known_before(user: HubUser, hub: StandInHub) -> None:
    hub.repositories["wiz/models"].claims["small.gguf"] = {"X-Linked-Size": str(10**15)}
    error = await user.failure("wiz/models", "small.gguf")
    assert isinstance(error, DiskFull)
    assert "909.5 TB are still to come" in error.message and "HF_HOME" in error.hint
    assert hub.asked_for("GET", "store") == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
async def test_a_disk_that_fills_up_says_so(user: HubUser, tmp_path: Path) -> None:
    hook = tmp_path / "hook"
    hook.mkdir()
    # The child's disk: any partial file is full as soon as it is written to.
    (hook / "sitecustomize.py").write_text(
        "import builtins, pathlib\n"
        "def full(self, mode='r', *a, **k):\n"
        "    target = '/dev/full' if str(self).endswith('.incomplete') else self\n"
        "    return builtins.open(target, mode.replace('a', 'w'), *a, **k)\n"
        "pathlib.Path.open = full\n"
    )
    user.environment["PYTHONPATH"] = str(hook)
    error = await user.failure("wiz/models", "small.gguf")
    assert isinstance(error, DiskFull)
    assert "full" in error.message and "HF_HOME" in error.hint


async def test_a_cache_that_cannot_be_written_says_so(user: HubUser) -> None:
    user.home.write_text("a file where the cache should be")
    error = await user.failure("wiz/models", "small.gguf")
    assert isinstance(error, DownloadFailed)
    assert "could not be written" in error.message and "HF_HOME" in error.hint


async def test_a_read_only_cache_says_so_and_still_gives_what_it_has(
    user: HubUser, hub: StandInHub, tmp_path: Path
) -> None:
    here = await user.fetch("wiz/models", "small.gguf")
    hook = tmp_path / "hook"
    hook.mkdir()
    # Not by permissions: those do not hold for the superuser that tests in containers are.
    (hook / "sitecustomize.py").write_text(
        "import errno, os\n"
        "def read_only(call):\n"
        "    def refused(path, *a, **k):\n"
        "        if os.environ['HF_HOME'] in str(path) and not os.path.exists(path):\n"
        "            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))\n"
        "        return call(path, *a, **k)\n"
        "    return refused\n"
        "os.mkdir, os.open = read_only(os.mkdir), read_only(os.open)\n"
    )
    user.environment["PYTHONPATH"] = str(hook)
    with pytest.raises(DownloadFailed, match=r"could not be written to .*Read-only") as caught:
        await user.fetch("wiz/models", "dir/large.gguf")
    assert "wiz/models" in caught.value.message and "HF_HOME" in caught.value.hint
    assert await user.fetch("wiz/models", "small.gguf") == here


LIES = {
    "etag": {"X-Linked-Etag": '"../../../../evil"'},
    "empty etag": {"X-Linked-Etag": '""'},
    "commit": {"X-Repo-Commit": "../../../../evil"},
    "short commit": {"X-Repo-Commit": "abc"},
}


@pytest.mark.parametrize("lie", LIES)
async def test_an_answer_that_leads_out_of_the_cache_writes_nothing(
    user: HubUser, hub: StandInHub, tmp_path: Path, lie: str
) -> None:
    hub.repositories["wiz/models"].claims["small.gguf"] = LIES[lie]
    await user.failure("wiz/models", "small.gguf")
    assert not [name for name in names_below(tmp_path) if "evil" in name]
    assert user.size_bytes() < 200


async def test_a_wrong_size_is_no_endless_transfer(user: HubUser, hub: StandInHub) -> None:
    hub.repositories["wiz/models"].claims["small.gguf"] = {"X-Linked-Size": str(len(SMALL) + 9)}
    error = await user.failure("wiz/models", "small.gguf", patience_s=1.0)
    assert isinstance(error, DownloadFailed)
    assert "has not the 9,417 bytes" in error.message


async def test_a_child_that_fails_to_begin_gives_its_log_without_tokens(
    user: HubUser, tmp_path: Path
) -> None:
    hook = tmp_path / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(
        # It is told the token on its standard input only.
        "import os, sys; order = sys.stdin.readline(); assert 'HF_TOKEN' not in os.environ; "
        "token = order.partition('HF_TOKEN\":\"')[2].partition('\"')[0]; "
        "sys.stderr.write(f'the token is {token} and hf_anotherone1234'); "
        "sys.stderr.flush(); os._exit(7)"
    )
    user.environment |= {"PYTHONPATH": str(hook), "HF_TOKEN": TOKEN}
    error = await user.failure("wiz/models", "small.gguf")
    assert "exit code 7" in error.message
    assert error.details["log"] == "the token is hf_… and hf_…"


async def test_a_token_is_nowhere_in_what_a_failed_transfer_says(
    user: HubUser, hub: StandInHub
) -> None:
    user.environment |= {"HF_TOKEN": TOKEN, "HF_DEBUG": "1"}
    hub.repositories["wiz/open"] = Repository({"small.gguf": SMALL}, token=TOKEN)
    hub.faults = [Fault("refuse")] * 9
    error = await user.failure("wiz/open", "small.gguf")
    assert TOKEN not in f"{error.info()} {user.notices}"
