"""Downloads from a stand-in hub, by the real huggingface_hub, into a cache of their own."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.stand_in_hub import Repository, StandInHub
from wiz_kernel_ext.errors import BadRequest, DownloadFailed, OperationCancelled
from wiz_kernel_ext.hub.download import check_names, download
from wiz_kernel_ext.hub.fetch import Line, Ticked, progress_bar

SMALL = b"GGUF" + b"\0" * 1000
LARGE = random.Random(1).randbytes(6 * 2**20)


@pytest.fixture
def hub() -> Iterator[StandInHub]:
    repositories = {
        "wiz/models": Repository({"small.gguf": SMALL, "dir/large.gguf": LARGE}),
        "wiz/gated": Repository({"small.gguf": SMALL}, gated=True),
        "wiz/private": Repository({"small.gguf": SMALL}, token="hf_secretsecret"),
    }
    with StandInHub(repositories) as hub:
        yield hub


class Desk:
    """Asks for downloads in an environment of its own and keeps the progress."""

    def __init__(self, home: Path, endpoint: str) -> None:
        self.home = home
        self.progress: list[tuple[int, int | None]] = []
        self.cancelled = asyncio.Event()
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))},
            "HF_HOME": str(home),
            "HF_ENDPOINT": endpoint,
        }

    async def fetch(self, repo: str, file: str, revision: str | None = None) -> str:
        return await download(
            repo,
            file,
            revision,
            on_progress=lambda done, total: self.progress.append((done, total)),
            cancelled=self.cancelled,
            environment=self.environment,
        )

    async def failure(self, repo: str, file: str, revision: str | None = None) -> DownloadFailed:
        with pytest.raises(DownloadFailed) as caught:
            await self.fetch(repo, file, revision)
        error = caught.value
        assert repo in error.message and file in error.message and error.hint
        assert "hf_s" not in f"{error.info()}" and "signature" not in f"{error.info()}"
        return error

    def unfinished(self) -> list[Path]:
        return list(self.home.rglob("*.incomplete"))


def content(path: str) -> bytes:
    return Path(path).read_bytes()


def n_resolved(hub: StandInHub) -> int:
    """How often the hub was asked for a file (huggingface_hub asks for other things besides)."""
    return sum("/resolve/" in asked.path for asked in hub.asked)


@pytest.fixture
def desk(tmp_path: Path, hub: StandInHub) -> Iterator[Desk]:
    yield Desk(tmp_path / "hf", hub.url)
    assert psutil.Process().children() == []


async def test_a_file_lands_in_the_standard_cache_by_its_name(desk: Desk, hub: StandInHub) -> None:
    path = await desk.fetch("wiz/models", "dir/large.gguf")
    commit = hub.repositories["wiz/models"].commit
    cache = desk.home / "hub" / "models--wiz--models"
    assert path == str(cache / "snapshots" / commit / "dir" / "large.gguf")
    assert content(path) == LARGE
    assert content(str(cache / "refs" / "main")).decode() == commit
    done = [n for n, _ in desk.progress]
    assert done == sorted(done) and done[-1] == len(LARGE)
    assert {total for _, total in desk.progress} == {len(LARGE)}


async def test_a_slow_download_says_how_far_it_is(desk: Desk, hub: StandInHub) -> None:
    hub.bytes_per_s = 6e6
    await desk.fetch("wiz/models", "dir/large.gguf")
    assert len(desk.progress) >= 4


async def test_a_file_that_is_here_is_not_sent_again(desk: Desk, hub: StandInHub) -> None:
    first = await desk.fetch("wiz/models", "small.gguf")
    assert await desk.fetch("wiz/models", "small.gguf") == first
    assert len(hub.asked_for("GET", "store")) == 1


async def test_a_commit_that_is_here_asks_nobody(desk: Desk, hub: StandInHub) -> None:
    commit = hub.repositories["wiz/models"].commit
    await desk.fetch("wiz/models", "small.gguf", commit)
    n_asked = n_resolved(hub)
    again = await desk.fetch("wiz/models", "small.gguf", commit)
    assert content(again) == SMALL
    assert n_resolved(hub) == n_asked


async def test_offline_what_is_here_is_found_and_what_is_not_says_so(
    desk: Desk, hub: StandInHub
) -> None:
    first = await desk.fetch("wiz/models", "small.gguf")
    desk.environment["HF_HUB_OFFLINE"] = "1"
    n_asked = n_resolved(hub)
    assert await desk.fetch("wiz/models", "small.gguf") == first
    error = await desk.failure("wiz/models", "dir/large.gguf")
    assert "offline" in error.message and "HF_HUB_OFFLINE" in error.hint
    assert n_resolved(hub) == n_asked


@pytest.mark.parametrize(
    ("repo", "file", "revision", "message", "hint"),
    [
        ("wiz/none", "small.gguf", None, "no repository", "hf auth login"),
        ("wiz/private", "small.gguf", None, "no repository", "HF_TOKEN"),
        ("wiz/gated", "small.gguf", None, "gated", "/wiz/gated"),
        ("wiz/models", "none.gguf", None, "no file", "/wiz/models/tree"),
        ("wiz/models", "small.gguf", "v9", "'v9'", "/refs"),
    ],
)
async def test_what_the_hub_does_not_have_is_said_with_what_to_do(
    desk: Desk, repo: str, file: str, revision: str | None, message: str, hint: str
) -> None:
    error = await desk.failure(repo, file, revision)
    assert message in error.message and hint in error.hint


async def test_a_token_opens_its_repository_and_is_not_given_to_the_store(
    desk: Desk, hub: StandInHub
) -> None:
    desk.environment["HF_TOKEN"] = "hf_secretsecret"
    path = await desk.fetch("wiz/private", "small.gguf")
    assert content(path) == SMALL
    assert {asked.authorization for asked in hub.asked_for("GET", "store")} == {None}


async def test_a_token_does_not_open_what_is_gated(desk: Desk) -> None:
    desk.environment["HF_TOKEN"] = "hf_secretsecret"
    assert "gated" in (await desk.failure("wiz/gated", "small.gguf")).message


async def test_a_token_that_is_not_accepted_is_said(desk: Desk) -> None:
    desk.environment["HF_TOKEN"] = "hf_rejected"
    assert "token" in (await desk.failure("wiz/models", "small.gguf")).message


@pytest.mark.parametrize(("status", "words"), [(418, "418"), (400, "400")])
async def test_a_status_nobody_expects_is_a_typed_error(
    desk: Desk, hub: StandInHub, status: int, words: str
) -> None:
    hub.statuses = [status] * 20
    assert words in (await desk.failure("wiz/models", "small.gguf")).message


async def test_a_transfer_that_breaks_off_goes_on_from_there(desk: Desk, hub: StandInHub) -> None:
    hub.break_after = [2 * 2**20]
    path = await desk.fetch("wiz/models", "dir/large.gguf")
    assert content(path) == LARGE
    assert [a.range for a in hub.asked_for("GET", "store")] == [None, f"bytes={2 * 2**20}-"]


@pytest.mark.slow
async def test_a_hub_that_is_not_there_is_said_in_bounded_time(desk: Desk) -> None:
    desk.environment["HF_ENDPOINT"] = "http://127.0.0.1:9"
    began_s = time.monotonic()
    error = await desk.failure("wiz/models", "small.gguf")
    assert "127.0.0.1:9" in error.message
    assert time.monotonic() - began_s < 60


async def test_a_transfer_that_stalls_is_ended(desk: Desk, hub: StandInHub) -> None:
    hub.bytes_per_s = 1.0
    with pytest.raises(DownloadFailed, match="Nothing of"):
        await download(
            "wiz/models",
            "dir/large.gguf",
            on_progress=lambda done, total: None,
            cancelled=desk.cancelled,
            environment=desk.environment,
            stall_timeout_s=3.0,
        )
    assert desk.unfinished() == []


async def test_a_cancel_ends_the_child_at_once_and_leaves_nothing(
    desk: Desk, hub: StandInHub
) -> None:
    hub.bytes_per_s = 3e5
    task = asyncio.create_task(desk.fetch("wiz/models", "dir/large.gguf"))
    await _until(lambda: bool(desk.unfinished()))
    began_s = time.monotonic()
    desk.cancelled.set()
    with pytest.raises(OperationCancelled):
        await task
    assert time.monotonic() - began_s < 5
    assert desk.unfinished() == []


async def test_a_cancelled_task_takes_its_child_along(desk: Desk, hub: StandInHub) -> None:
    hub.bytes_per_s = 3e5
    task = asyncio.create_task(desk.fetch("wiz/models", "dir/large.gguf"))
    await _until(lambda: bool(desk.unfinished()))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert desk.unfinished() == []


async def test_a_cancel_before_the_first_byte_is_a_cancel(desk: Desk) -> None:
    desk.cancelled.set()
    with pytest.raises(OperationCancelled):
        await desk.fetch("wiz/models", "small.gguf")


async def test_a_child_that_is_killed_is_a_typed_error(desk: Desk, hub: StandInHub) -> None:
    hub.bytes_per_s = 3e5
    task = asyncio.create_task(desk.fetch("wiz/models", "dir/large.gguf"))
    await _until(lambda: bool(desk.unfinished()))
    psutil.Process().children()[0].kill()
    with pytest.raises(DownloadFailed, match="-9"):
        await task


async def test_a_child_does_not_outlive_its_parent(desk: Desk, hub: StandInHub) -> None:
    hub.bytes_per_s = 3e5
    script = (
        "import asyncio; from wiz_kernel_ext.hub.download import download\n"
        "asyncio.run(download('wiz/models', 'dir/large.gguf', on_progress=print,"
        " cancelled=asyncio.Event()))"
    )
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", script), env=desk.environment, stdout=subprocess.DEVNULL
    )
    await _until(lambda: bool(desk.unfinished()))
    (child,) = psutil.Process(parent.pid).children()
    parent.send_signal(signal.SIGKILL)
    await parent.wait()
    await _until(lambda: not child.is_running() or child.status() == "zombie")
    assert desk.unfinished() == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
async def test_a_full_disk_says_so(desk: Desk) -> None:
    hook = desk.home.parent / "hook"
    hook.mkdir()
    # The child's disk: any file of bytes that is written to is full.
    (hook / "sitecustomize.py").write_text(
        "import builtins, pathlib\n"
        "real = pathlib.Path.open\n"
        "def full(self, mode='r', *a, **k):\n"
        "    target = '/dev/full' if str(self).endswith('.incomplete') else self\n"
        "    return builtins.open(target, mode, *a, **k)\n"
        "pathlib.Path.open = full\n"
    )
    desk.environment["PYTHONPATH"] = str(hook)
    error = await desk.failure("wiz/models", "dir/large.gguf")
    assert "disk is full" in error.message and "HF_HOME" in error.hint


async def test_a_cache_that_cannot_be_made_says_so(desk: Desk) -> None:
    desk.home.write_text("a file where the cache should be")
    error = await desk.failure("wiz/models", "small.gguf")
    assert "could not be written" in error.message and str(desk.home) in error.hint


async def test_a_child_that_fails_to_begin_gives_its_log_without_tokens(desk: Desk) -> None:
    hook = desk.home.parent / "hook"
    hook.mkdir()
    (hook / "sitecustomize.py").write_text(
        "import os, sys; sys.stderr.write('the token is ' + os.environ['HF_TOKEN'] + "
        "' and hf_anotherone1234'); sys.stderr.flush(); os._exit(7)"
    )
    desk.environment |= {"PYTHONPATH": str(hook), "HF_TOKEN": "hf_secretsecret"}
    error = await desk.failure("wiz/models", "small.gguf")
    assert "code 7" in error.message
    assert error.details["log"] == "the token is hf_… and hf_…"


NAMES: list[tuple[str, str, str | None]] = [
    ("", "f", None),
    ("../x", "f", None),
    ("a/..", "f", None),
    ("a/b/c", "f", None),
    ("/a", "f", None),
    ("a b/c", "f", None),
    ("a/b?x=1", "f", None),
    ("https://huggingface.co/a/b", "f", None),
    ("a\0/b", "f", None),
    ("a/b", "", None),
    ("a/b", "../f", None),
    ("a/b", "x/../../f", None),
    ("a/b", "x\\..\\f", None),
    ("a/b", "/etc/passwd", None),
    ("a/b", "f\0", None),
    ("a/b", "f\n", None),
    ("a/b", "x//f", None),
    ("a/b", " .. /f", None),
    ("a/b", "f", ""),
    ("a/b", "f", "../main"),
    ("a/b", "f", "main\0"),
]


@pytest.mark.parametrize(("repo", "file", "revision"), NAMES, ids=repr)
async def test_a_name_that_cannot_be_is_refused_before_anything_is_sent(
    desk: Desk, hub: StandInHub, repo: str, file: str, revision: str | None
) -> None:
    with pytest.raises(BadRequest):
        await desk.fetch(repo, file, revision)
    assert hub.asked == []


def test_names_as_hubs_have_them_are_taken() -> None:
    check_names("gpt2", "model.gguf")
    check_names("Some-Org.x/Model_1.5", "Q4_K_M/model-00001-of-00002.gguf", "refs/pr/1")
    check_names("a/b", "münchen model (1).gguf", "v1.0")


def test_progress_is_said_in_moderation_and_never_goes_back() -> None:
    said: list[Line] = []
    now_s = 0.0
    bar = progress_bar(said.append, clock=lambda: now_s)
    with bar(total=1000, unit="B", desc="x") as one, bar(total=1000) as two:
        for n in range(10):
            now_s = n * 0.05
            one.update(50)
            two.update(100)
        one.update(-300)
        one.set_postfix_str("x")
        two.refresh()
    done = [line.done for line in said if isinstance(line, Ticked)]
    assert done == sorted(set(done)) and done[0] == 0 and done[-1] == 1000
    assert len(done) <= 8


async def _until(condition: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "waited in vain"
        await asyncio.sleep(0.01)
